import Testing

@testable import Proxy

@Suite("Normal paths, RFC 3986 §5.2.4 and §6.2.2")
struct NormalPathTests {
    private func normal(_ path: String) -> String {
        let bytes = [UInt8](path.utf8) + [0]
        var out = [UInt8](repeating: 0, count: bytes.count)
        let count = bytes.withUnsafeBufferPointer { bytes in
            out.withUnsafeMutableBufferPointer { out in
                NormalPath.write(bytes.baseAddress!, bytes.count - 1, to: out.baseAddress!)
            }
        }
        return String(decoding: out.prefix(count), as: UTF8.self)
    }

    @Test(
        "means the same, spelled plainly",
        arguments: [
            ("/", "/"), ("/a/b", "/a/b"), ("/public/../api/x", "/api/x"), ("/public/%2e%2e/api/x", "/api/x"),
            ("/public/%2E./api", "/api"), ("/./api/x", "/api/x"), ("/%61pi/x", "/api/x"), ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a/b/../", "/a/"), ("/..", "/"), ("/../../etc", "/etc"), ("/a//../b", "/a/b"), ("/...", "/..."),
            ("/.hidden", "/.hidden"), ("/a..", "/a.."), ("/a%2Fb", "/a%2Fb"), ("/a%2", "/a%2"), ("/a%", "/a%"),
            ("/%zz", "/%zz"), ("/%25%32%65", "/%252e"), ("/a/%2e%2e%2fb", "/a/..%2fb"), ("", ""),
        ])
    func plain(path: String, expected: String) {
        #expect(normal(path) == expected)
    }

    @Test(
        "several slashes are one, for routes",
        arguments: [
            ("/", "/"), ("//", "/"), ("/a", "/a"), ("//a///b/", "/a/b/"), ("/a//", "/a/"), ("", ""), ("*", "*"),
        ])
    func mergedSlashes(path: String, expected: String) {
        var bytes = [UInt8](path.utf8) + [0]
        let count = bytes.count - 1
        let merged = bytes.withUnsafeMutableBufferPointer { NormalPath.mergeSlashes($0.baseAddress!, count) }
        #expect(String(decoding: bytes.prefix(merged), as: UTF8.self) == expected)
    }

    @Test("never longer than what came, and normal once it is normal", arguments: 1...30 as ClosedRange<UInt64>)
    func idempotent(seed: UInt64) {
        var random = SeededRandom(seed)
        let pieces = ["/", ".", "..", "a", "%2e", "%2F", "%41", "%", "//"]
        for _ in 0..<200 {
            let path = "/" + (0..<random.below(8)).map { _ in pieces[random.below(pieces.count)] }.joined()
            let once = normal(path)
            #expect(once.utf8.count <= path.utf8.count, "seed \(seed): \(path)")
            #expect(once.hasPrefix("/"), "seed \(seed): \(path)")
            #expect(!once.contains("/../") && !once.contains("/./") && !once.hasSuffix("/.."), "seed \(seed): \(path)")
        }
    }
}
