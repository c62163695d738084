package import Foundation

/// One published state of the site file. Never changes once stored.
package struct Revision: Equatable, Sendable {
    /// Grows by one with each published change; from 1.
    package var number: UInt64
    /// The site file as it was given.
    package var text: String
    /// What diagnostics call the file.
    package var file: String
    package var author: Peer?
    package var time: Date
    package var comment: String?
    /// Digest of the compiled snapshot, 16 hexadecimal digits.
    package var digest: String

    package init(
        number: UInt64, text: String, file: String, author: Peer?, time: Date, comment: String?, digest: String
    ) {
        self.number = number
        self.text = text
        self.file = file
        self.author = author
        self.time = time
        self.comment = comment
        self.digest = digest
    }
}

/// Who asked for a change, as the kernel knows it (`SO_PEERCRED`).
package struct Peer: Equatable, Sendable, CustomStringConvertible {
    package var uid: UInt32
    package var pid: Int32

    package init(uid: UInt32, pid: Int32) {
        self.uid = uid
        self.pid = pid
    }

    package var description: String { "uid \(uid) pid \(pid)" }
}

/// What survives a restart of the control plane.
package protocol RevisionStore: Sendable {
    func newest() async throws -> Revision?
    /// The newest first, at most `limit`.
    func revisions(limit: Int) async throws -> [Revision]
    /// - Throws: `StoreError.notNext` unless the number is one more than the newest, or 1 in an empty store.
    func append(_ revision: Revision) async throws
    func setting(_ key: SettingKey) async throws -> String?
    func set(_ key: SettingKey, to value: String?) async throws
    /// Counts the starts of a control plane on this store; from 1.
    func nextIncarnation() async throws -> UInt64
}

/// What operators set apart from the site file.
package enum SettingKey: String, Sendable {
    /// Number of local proxy nodes asked for with `scale`.
    case scale
    /// Node ids, one a line.
    case drainedNodes
    /// `pool/address`, one a line.
    case drainedEndpoints
    /// What the names of the site last resolved to: a name and its addresses on each line.
    case names
    /// OCSP responses that were fetched: the request and the response, in Base64, on each line.
    case staples
    case incarnation
    /// When they were rotated last, Unix time, and the keys, in hexadecimal.
    case ticketKeys
}

package enum StoreError: Error, Equatable, CustomStringConvertible {
    case notNext(number: UInt64, newest: UInt64)

    package var description: String {
        switch self {
        case .notNext(let number, let newest): "revision \(number) does not follow the newest, \(newest)"
        }
    }
}
