import Foundation
import GRDB

/// Revisions and settings in one SQLite file. The table of revisions is append-only, kept so by triggers.
package final class SQLiteRevisionStore: RevisionStore {
    private let database: DatabaseQueue

    /// - Parameter path: The file; made when it doesn't exist.
    package init(path: String) throws {
        database = try DatabaseQueue(path: path)
        try SQLiteRevisionStore.migrator.migrate(database)
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("revisions and settings") { database in
            try database.execute(
                sql: """
                    CREATE TABLE revision (
                        number INTEGER PRIMARY KEY,
                        text TEXT NOT NULL,
                        file TEXT NOT NULL,
                        uid INTEGER,
                        pid INTEGER,
                        time REAL NOT NULL,
                        comment TEXT,
                        digest TEXT NOT NULL
                    );
                    CREATE TRIGGER revision_is_never_changed BEFORE UPDATE ON revision
                        BEGIN SELECT RAISE(ABORT, 'revisions are append-only'); END;
                    CREATE TRIGGER revision_is_never_deleted BEFORE DELETE ON revision
                        BEGIN SELECT RAISE(ABORT, 'revisions are append-only'); END;
                    CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL);
                    """)
        }
        return migrator
    }

    package func newest() async throws -> Revision? {
        try await revisions(limit: 1).first
    }

    package func revisions(limit: Int) async throws -> [Revision] {
        try await database.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM revision ORDER BY number DESC LIMIT ?", arguments: [limit]
            ).map(SQLiteRevisionStore.revision)
        }
    }

    package func append(_ revision: Revision) async throws {
        try await database.write { database in
            let newest = try Int64.fetchOne(database, sql: "SELECT max(number) FROM revision") ?? 0
            guard Int64(revision.number) == newest + 1 else {
                throw StoreError.notNext(number: revision.number, newest: UInt64(newest))
            }
            try database.execute(
                sql: """
                    INSERT INTO revision (number, text, file, uid, pid, time, comment, digest)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    Int64(revision.number), revision.text, revision.file, revision.author?.uid, revision.author?.pid,
                    revision.time.timeIntervalSince1970, revision.comment, revision.digest,
                ])
        }
    }

    package func setting(_ key: SettingKey) async throws -> String? {
        try await database.read { database in
            try String.fetchOne(database, sql: "SELECT value FROM setting WHERE key = ?", arguments: [key.rawValue])
        }
    }

    package func set(_ key: SettingKey, to value: String?) async throws {
        try await database.write { database in
            if let value {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)",
                    arguments: [key.rawValue, value])
            } else {
                try database.execute(sql: "DELETE FROM setting WHERE key = ?", arguments: [key.rawValue])
            }
        }
    }

    package func nextIncarnation() async throws -> UInt64 {
        let last = try await setting(.incarnation).flatMap(UInt64.init) ?? 0
        try await set(.incarnation, to: String(last + 1))
        return last + 1
    }

    private static func revision(_ row: Row) -> Revision {
        let uid: UInt32? = row["uid"]
        let pid: Int32? = row["pid"]
        let author: Peer? = if let uid, let pid { Peer(uid: uid, pid: pid) } else { nil }
        return Revision(
            number: UInt64(row["number"] as Int64), text: row["text"], file: row["file"], author: author,
            time: Date(timeIntervalSince1970: row["time"]), comment: row["comment"], digest: row["digest"])
    }
}
