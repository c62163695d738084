import Snapshot
import Testing

@testable import Proxy

@Suite("Rewritten targets")
struct TargetWriterTests {
    private func target(_ received: String, _ rewrite: TargetRewrite, fields: [String] = []) -> String {
        let arena = Arena()
        let request = ParsedRequest(["GET \(received) HTTP/1.1", "Host: shop.example"] + fields)
        var writer = HeadWriter()
        TargetWriter.write(
            request.head, request.bytes, CompiledRewrite(rewrite, arena: arena), request.view(arena), into: &writer)
        return text(of: writer)
    }

    @Test(
        "a prefix is taken off at the end of a segment, of the path's normal form",
        arguments: [
            ("/api/x", "/x"), ("/api", "/"), ("/api/", "/"), ("/apis", "/apis"), ("/ap", "/ap"), ("/", "/"),
            ("/API/x", "/API/x"), ("/x/api/y", "/x/api/y"), ("/api/api/x", "/api/x"), ("/api%2Fx", "/api%2Fx"),
            ("/api%2fx", "/api%2fx"), ("/%61pi/x", "/x"), ("/./api/x", "/x"), ("/y/../api/x", "/x"),
            ("/api/../x", "/x"), ("/api/../../x", "/x"), ("/api/..", "/"), ("/api/%2e%2e/secret", "/secret"),
            ("/api/x/../../secret", "/secret"), ("/api/%252e%252e/x", "/%252e%252e/x"), ("/api/x?q=/api", "/x?q=/api"),
            ("/api?q", "/?q"), ("http://shop.example/api/x", "/x"), ("http://shop.example?q", "/?q"),
        ])
    func stripPrefix(received: String, sent: String) {
        #expect(target(received, TargetRewrite(path: .prefixes(strip: "/api", add: ""))) == sent)
    }

    @Test(
        "a prefix is added, after another was taken off",
        arguments: [
            ("/api/x", "/v2/x"), ("/api", "/v2"), ("/api/", "/v2/"), ("/apis", "/v2/apis"), ("/", "/v2/"),
            ("/api/../x", "/v2/x"), ("/../../etc", "/v2/etc"), ("/%2e%2e/etc", "/v2/etc"),
            ("http://shop.example?q", "/v2?q"),
        ])
    func prefixes(received: String, sent: String) {
        #expect(target(received, TargetRewrite(path: .prefixes(strip: "/api", add: "/v2"))) == sent)
    }

    @Test("a path is replaced, the query stays")
    func replace() {
        #expect(target("/a/b?c=d", TargetRewrite(path: .replace("/n/w"))) == "/n/w?c=d")
        #expect(target("/a/b", TargetRewrite(path: .replace("/n/w"))) == "/n/w")
    }

    @Test(
        "parameters are removed by name, however it is escaped",
        arguments: [
            ("/?debug=1", "/"), ("/?a=1&debug&b=2", "/?a=1&b=2"), ("/?%64ebug=1&debug=2&x", "/?x"),
            ("/?debugs=1&debu=2", "/?debugs=1&debu=2"), ("/?a&&b", "/?a&b"), ("/?", "/"), ("/", "/"),
            ("/?a+b=1&a%20b=2&a=3", "/?a=3"), ("/?=1&debug%", "/?=1&debug%"), ("/%2e/?debug", "/%2e/"),
            ("http://shop.example?debug", "/"), ("/?x=debug", "/?x=debug"),
        ])
    func removeParameters(received: String, sent: String) {
        #expect(target(received, TargetRewrite(remove: ["debug", "a b"])) == sent)
    }

    @Test("parameters are set and added, with escapes where they need them")
    func setParameters() {
        let rewrite = TargetRewrite(
            set: [.init(name: "v", value: [.literal("2")]), .init(name: "a b", value: [.literal("c&d")])],
            add: [.init(name: "ua", value: [.field("user-agent"), .literal("!")])])
        #expect(
            target("/p?v=1&x=y&v", rewrite, fields: ["User-Agent: é &=x/1"])
                == "/p?x=y&v=2&a%20b=c%26d&ua=%C3%A9%20%26%3Dx%2F1%21")
        #expect(target("/p", rewrite) == "/p?v=2&a%20b=c%26d&ua=%21")
    }
}
