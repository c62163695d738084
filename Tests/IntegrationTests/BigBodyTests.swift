import Foundation
import Synchronization
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Bodies far larger than any buffer")
    struct BigBodyTests {
        /// A gibibyte, or `$SLUICE_BIG_BODY_MEBIBYTES`.
        private static let mebibytes =
            ProcessInfo.processInfo.environment["SLUICE_BIG_BODY_MEBIBYTES"].flatMap { Int($0) } ?? 1024
        /// How much a node may grow while the body passes. Holding a sixteenth of a gibibyte would break it.
        private static let growthMax = 64 << 20

        @Test("a large body down: the same checksum, flat memory")
        func download() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let file = try BigFile(mebibytes: Self.mebibytes, at: app.file("big"))
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                let memory = try MemoryWatch(site)
                #expect(try BigFile.download("http://127.0.0.1:\(port)/files/big") == file.digest)
                #expect(memory.stop() < Self.growthMax)
            }
        }

        @Test("a large body up with a length: the same checksum, flat memory")
        func upload() throws {
            try upload(mebibytes: Self.mebibytes, chunked: false)
        }

        @Test("256 MiB up in chunks: the same checksum, flat memory")
        func chunkedUpload() throws {
            try upload(mebibytes: 256, chunked: true)
        }

        private func upload(mebibytes: Int, chunked: Bool) throws {
            try Lab.run { lab in
                let (sink, port) = (try lab.digest(), try Ports.unused())
                let directory = try TemporaryDirectory()
                let file = try BigFile(mebibytes: mebibytes, in: directory)
                let site = try lab.site(SiteText.http(port, to: [sink.address]))
                let memory = try MemoryWatch(site)
                let digest = try BigFile.upload(file, to: "http://127.0.0.1:\(port)/", chunked: chunked)
                #expect(digest == file.digest)
                #expect(memory.stop() < Self.growthMax)
            }
        }

        @Test("a client that does not read holds up the endpoint, not the memory")
        func slowReader() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let file = try BigFile(mebibytes: 256, at: app.file("big"))
                let site = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let memory = try MemoryWatch(site)
                let client = try HTTPConnection(to: port)
                try client.socket.send("GET /files/big HTTP/1.1\r\nHost: a\r\n\r\n")
                let head = try client.responseHead()
                #expect(head["Content-Length"] == String(file.bytes))
                // Others are served meanwhile, and what stands still is still there afterwards.
                for _ in 0..<50 { #expect(try Curl.get("http://127.0.0.1:\(port)/").text == "a") }
                #expect(app.accesses.allSatisfy { !$0.request.contains("big") }, "the answer was taken in whole")
                #expect(memory.stop() < Self.growthMax)
                var left = file.bytes
                client.socket.setTimeout(.seconds(10))
                left -= client.takeBufferedBytes()
                while left > 0, case let bytes = try client.socket.receive(upTo: 1 << 20), !bytes.isEmpty {
                    left -= bytes.count
                }
                #expect(left == 0)
            }
        }
    }
}

/// Samples the resident memory of a site's nodes while something passes through them.
private final class MemoryWatch: Sendable {
    private let first: [pid_t: Int]
    private let state: Mutex<(growth: Int, isStopped: Bool)>

    init(_ site: Site) throws {
        var first: [pid_t: Int] = [:]
        for pid in site.nodeProcesses.values { first[pid] = try ProcessStat(pid).residentBytes }
        try #require(!first.isEmpty, "the site has no node processes")
        self.first = first
        state = Mutex((0, false))
        Thread.detachNewThread { [self] in
            while !state.withLock({ $0.isStopped }) {
                sample()
                usleep(20_000)  // the rate of sampling
            }
        }
    }

    private func sample() {
        for (pid, before) in first {
            guard let now = try? ProcessStat(pid).residentBytes else { continue }
            state.withLock { $0.growth = max($0.growth, now - before) }
        }
    }

    /// The most that one node grew, in bytes.
    func stop() -> Int {
        sample()
        return state.withLock { state in
            state.isStopped = true
            return state.growth
        }
    }
}
