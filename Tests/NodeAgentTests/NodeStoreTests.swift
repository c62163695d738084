import EventLoop
import Glibc
import NodeAgent
import NodeLink
import Snapshot
import Testing

/// A directory of its own for one test, removed with it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/sluice-test-XXXXXX".utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) }
        precondition(made != nil, "mkdtemp: \(errno)")
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        guard unlink(path) != 0, let directory = opendir(path) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { remove("\(path)/\(name)") }
        }
        closedir(directory)
        rmdir(path)
    }
}

@Suite("NodeStore")
struct NodeStoreTests {
    private let directory = TemporaryDirectory()
    private var store: NodeStore { NodeStore(state: directory.path, id: "proxy-1") }
    private let snapshot = Snapshot(revision: 7, site: "shop")
    private let membership = Membership(
        version: 3,
        nodes: [NodeMember(id: "proxy-1", reach: .handOver(prefix: "/run/proxy-1", workers: 2))],
        endpoints: [EndpointMember(pool: "app", address: .unix("/run/app"), state: .draining)])

    private func write(_ bytes: [UInt8], _ file: NodeStore.File) throws {
        try FileSystem.makeDirectory(store.directory)
        try FileSystem.replace(store.path(of: file), with: bytes)
    }

    private func isUnusable<Value>(_ stored: NodeStore.Stored<Value>) -> Bool {
        switch stored {
        case .unusable(let reason): reason.contains(store.directory)
        case .absent, .valid: false
        }
    }

    @Test("nothing is there before the first save, with or without the directory")
    func absent() throws {
        #expect(store.loadSnapshot() == .absent)
        #expect(store.loadMembership() == .absent)
        try FileSystem.makeDirectory(store.directory)
        #expect(store.loadSnapshot() == .absent)
        #expect(store.loadMembership() == .absent)
    }

    @Test("what is saved is loaded, and the newest replaces what was there")
    func saves() throws {
        try store.save(snapshot: Snapshot(revision: 6, site: "old").encoded())
        let encoded = snapshot.encoded()
        try store.save(snapshot: encoded)
        try store.save(Membership(version: 2))
        try store.save(membership)
        guard case .valid(let stored) = store.loadSnapshot() else {
            Issue.record("not loaded")
            return
        }
        #expect(stored.snapshot == snapshot)
        #expect(stored.digest == Snapshot.digest(ofEncoded: encoded))
        #expect(store.loadMembership() == .valid(membership))
        #expect(try FileSystem.read("\(store.path(of: .snapshot)).new", bytesMax: 1) == nil)
    }

    @Test("a file cut short at any byte is unusable, never trusted")
    func truncated() throws {
        let encoded = snapshot.encoded()
        try store.save(membership)
        let members = try #require(try FileSystem.read(store.path(of: .membership), bytesMax: 1000))
        for count in 0..<encoded.count {
            try write(Array(encoded.prefix(count)), .snapshot)
            #expect(isUnusable(store.loadSnapshot()), "snapshot of \(count) bytes")
        }
        for count in 0..<members.count {
            try write(Array(members.prefix(count)), .membership)
            #expect(isUnusable(store.loadMembership()), "membership of \(count) bytes")
        }
    }

    @Test("a file with any bit changed, or with more bytes, is unusable")
    func corrupt() throws {
        try store.save(membership)
        let members = try #require(try FileSystem.read(store.path(of: .membership), bytesMax: 1000))
        for index in members.indices {
            var changed = members
            changed[index] ^= 0x10
            try write(changed, .membership)
            #expect(isUnusable(store.loadMembership()), "byte \(index)")
        }
        let encoded = snapshot.encoded()
        for index in encoded.indices {
            var changed = encoded
            changed[index] ^= 0x10
            try write(changed, .snapshot)
            #expect(isUnusable(store.loadSnapshot()), "byte \(index)")
        }
        try write(encoded + [0], .snapshot)
        #expect(isUnusable(store.loadSnapshot()))
    }

    @Test("a file that is set aside is out of the way and still there")
    func setsAside() throws {
        try write([1, 2, 3], .snapshot)
        try store.setAside(.snapshot)
        #expect(store.loadSnapshot() == .absent)
        #expect(try FileSystem.read("\(store.path(of: .snapshot)).unusable", bytesMax: 3) == [1, 2, 3])
    }

    @Test("a state directory that can't be made is an error that names it")
    func unwritable() throws {
        let file = "\(directory.path)/file"
        try FileSystem.replace(file, with: [])
        let store = NodeStore(state: file, id: "proxy-1")
        #expect(throws: FileError.self) { try store.save(membership) }
        #expect(isUnreadable(store.loadSnapshot(), naming: file))
    }

    private func isUnreadable<Value>(_ stored: NodeStore.Stored<Value>, naming path: String) -> Bool {
        if case .unusable(let reason) = stored { return reason.contains(path) }
        return false
    }

    @Test("a file is read up to its bound", arguments: [-1, 0, 1])
    func bound(excess: Int) throws {
        let path = "\(directory.path)/file"
        try FileSystem.replace(path, with: Array(repeating: 1, count: 100 + excess))
        if excess > 0 {
            #expect(throws: FileError(call: "read", path: path, code: EFBIG)) {
                try FileSystem.read(path, bytesMax: 100)
            }
        } else {
            #expect(try FileSystem.read(path, bytesMax: 100)?.count == 100 + excess)
        }
    }
}
