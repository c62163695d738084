import Snapshot
import Testing

@testable import Proxy

@Suite("Location of redirects")
struct LocationWriterTests {
    private func location(
        _ value: [ValuePart], target: String = "/a/b?c=d", fields: [String] = []
    ) -> String {
        let arena = Arena()
        let request = ParsedRequest(["GET \(target) HTTP/1.1", "Host: shop.example:80"] + fields)
        var writer = HeadWriter()
        writer.append("Location: ")
        LocationWriter.write(CompiledTemplate(value, arena: arena), request.view(arena), into: &writer)
        return String(text(of: writer).dropFirst("Location: ".count))
    }

    @Test("variables are filled in")
    func variables() {
        #expect(location([.literal("/new")]) == "/new")
        #expect(
            location([.literal("https://"), .variable(.host), .variable(.path)]) == "https://shop.example:80/a/b")
        #expect(
            location([.literal("https://"), .variable(.hostname), .literal(":8443"), .variable(.path)])
                == "https://shop.example:8443/a/b")
        #expect(location([.literal("/new?"), .variable(.query)]) == "/new?c=d")
    }

    @Test("a question mark that nothing follows is left out")
    func emptyQuery() {
        #expect(location([.literal("/new?"), .variable(.query)], target: "/a") == "/new")
        #expect(location([.literal("/new?"), .variable(.query)], target: "/a?") == "/new")
    }

    @Test(
        "no path leads to another host, RFC 3986 §4.2",
        arguments: ["//evil.example/x", "///evil.example", "//evil.example", "/%2f/evil.example", "/%5cevil.example"])
    func openRedirect(path: String) {
        let relative = location([.variable(.path)], target: path)
        #expect(relative.hasPrefix("/"))
        #expect(!relative.hasPrefix("//") && !relative.contains("\\"), "\(relative)")
        let nested = location([.literal("/"), .variable(.path)], target: path)
        #expect(!nested.hasPrefix("//") && !nested.contains("\\"), "\(nested)")
        let absolute = location([.literal("https://shop.example"), .variable(.path)], target: path)
        #expect(absolute.hasPrefix("https://shop.example/"))
    }

    @Test("what no URI may hold is escaped; escapes stay")
    func escapes() {
        let fields = ["X-To: a b\t\"<\\>^`{|}é%41#"]
        #expect(
            location([.literal("/s?q="), .field("x-to")], fields: fields)
                == "/s?q=a%20b%09%22%3C%5C%3E%5E%60%7B%7C%7D%C3%A9%41#")
    }
}
