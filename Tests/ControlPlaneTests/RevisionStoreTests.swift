import Foundation
import GRDB
import Testing

@testable import ControlPlane

private func revision(_ number: UInt64, text: String = "a") -> Revision {
    Revision(
        number: number, text: text, file: "site.yaml", author: Peer(uid: 1000, pid: 42),
        time: Date(timeIntervalSince1970: 1_700_000_000.25), comment: number == 1 ? nil : "why", digest: "00ff")
}

@Suite("Revisions in SQLite")
struct RevisionStoreTests {
    @Test("what is stored is there after the store is opened again")
    func survives() async throws {
        let directory = try TestDirectory()
        let path = directory.path("sluice.db")
        do {
            let store = try SQLiteRevisionStore(path: path)
            #expect(try await store.newest() == nil)
            try await store.append(revision(1))
            try await store.append(revision(2, text: "b"))
            try await store.set(.scale, to: "4 2")
        }
        let store = try SQLiteRevisionStore(path: path)
        #expect(try await store.newest() == revision(2, text: "b"))
        #expect(try await store.revisions(limit: 10) == [revision(2, text: "b"), revision(1)])
        #expect(try await store.setting(.scale) == "4 2")
        try await store.set(.scale, to: nil)
        #expect(try await store.setting(.scale) == nil)
    }

    @Test("numbers follow one another", arguments: [0, 1, 3] as [UInt64])
    func refusesGaps(number: UInt64) async throws {
        let directory = try TestDirectory()
        let store = try SQLiteRevisionStore(path: directory.path("sluice.db"))
        try await store.append(revision(1))
        await #expect(throws: StoreError.notNext(number: number, newest: 1)) {
            try await store.append(revision(number))
        }
    }

    @Test(
        "a revision is never changed or deleted", arguments: ["UPDATE revision SET text = 'x'", "DELETE FROM revision"])
    func isAppendOnly(statement: String) async throws {
        let directory = try TestDirectory()
        let store = try SQLiteRevisionStore(path: directory.path("sluice.db"))
        try await store.append(revision(1))
        let other = try DatabaseQueue(path: directory.path("sluice.db"))
        await #expect(throws: DatabaseError.self) {
            try await other.write { try $0.execute(sql: statement) }
        }
        #expect(try await store.newest() == revision(1))
    }

    @Test("each start of a control plane is counted")
    func countsIncarnations() async throws {
        let directory = try TestDirectory()
        let store = try SQLiteRevisionStore(path: directory.path("sluice.db"))
        #expect(try await store.nextIncarnation() == 1)
        #expect(try await store.nextIncarnation() == 2)
    }
}
