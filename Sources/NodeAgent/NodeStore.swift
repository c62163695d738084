import Balancing
import Glibc
package import NodeLink
package import Snapshot

/// What a node keeps on disk so that it can start, and serve, with no control plane: its last snapshot and membership.
///
/// Each is one file, replaced whole: written beside it, flushed, renamed (`rename(2)` is atomic), and the directory is
/// flushed. A file that was cut short or changed is seen by its digest.
package struct NodeStore: Sendable {
    package enum File: String, Sendable {
        case snapshot
        case membership
    }

    /// What a file gave.
    package enum Stored<Value: Equatable & Sendable>: Equatable, Sendable {
        case absent
        case valid(Value)
        /// Why it can't be used, for operators.
        case unusable(String)
    }

    /// A snapshot with the digest that a node reports for it.
    package struct StoredSnapshot: Equatable, Sendable {
        package let snapshot: Snapshot
        package let digest: UInt64
    }

    /// `<state>/nodes/<id>`.
    package let directory: String

    package init(state: String, id: String) { directory = "\(state)/nodes/\(id)" }

    package func path(of file: File) -> String { "\(directory)/\(file.rawValue)" }

    // MARK: reading

    package func loadSnapshot() -> Stored<StoredSnapshot> {
        load(.snapshot) { bytes throws(WireError) in
            StoredSnapshot(snapshot: try Snapshot(encoded: bytes), digest: Snapshot.digest(ofEncoded: bytes))
        }
    }

    package func loadMembership() -> Stored<Membership> {
        load(.membership) { bytes throws(WireError) in
            guard bytes.count >= 8 else { throw .truncated }
            var digest = WireReader(bytes.suffix(8))
            let body = [UInt8](bytes.dropLast(8))
            guard Hash64.xxh64(body) == (try digest.read(UInt64.self)) else { throw .invalid("digest") }
            var reader = WireReader(body)
            guard try reader.read(UInt32.self) == NodeStore.membershipMagic else { throw .invalid("magic") }
            let membership = try reader.readMembership()
            try reader.finish()
            return membership
        }
    }

    private func load<Value>(_ file: File, _ decode: ([UInt8]) throws(WireError) -> Value) -> Stored<Value> {
        do {
            guard let bytes = try FileSystem.read(path(of: file), bytesMax: Frame.bytesMax) else { return .absent }
            do { return .valid(try decode(bytes)) } catch { return .unusable("\(path(of: file)): \(error)") }
        } catch { return .unusable(error.description) }
    }

    // MARK: writing

    /// - Parameter encoded: As received: it carries its own digest.
    package func save(snapshot encoded: [UInt8]) throws(FileError) { try save(encoded, as: .snapshot) }

    package func save(_ membership: Membership) throws(FileError) {
        var out = WireWriter()
        out.write(NodeStore.membershipMagic)
        out.write(membership)
        out.write(Hash64.xxh64(out.bytes))
        try save(out.bytes, as: .membership)
    }

    /// "SLMB"; the last byte grows with every change of the layout.
    private static let membershipMagic: UInt32 = 0x424d_4c53

    private func save(_ bytes: [UInt8], as file: File) throws(FileError) {
        try FileSystem.makeDirectory(directory)
        try FileSystem.replace(path(of: file), with: bytes)
        try FileSystem.flushDirectory(directory)
    }

    /// Renames a file that can't be used to `<name>.unusable`, for whoever looks into it.
    package func setAside(_ file: File) throws(FileError) {
        try FileSystem.rename(path(of: file), to: "\(path(of: file)).unusable")
    }
}
