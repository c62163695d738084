import Snapshot
import Testing

@testable import Proxy

@Suite("Conditions of routes")
struct RouteConditionTests {
    /// Whether a request takes a route with these conditions.
    private func takes(
        _ match: RouteMatch, _ method: String = "GET", _ target: String = "/", _ lines: [String] = []
    ) throws -> Bool {
        try RoutedSite([route(match)]).route(method, target, lines) == 0
    }

    @Test("methods are compared as a whole, with case")
    func methods() throws {
        let match = RouteMatch(methods: ["GET", "PURGE"])
        for (method, isTaken) in [
            ("GET", true), ("PURGE", true), ("HEAD", false), ("POST", false), ("PURG", false), ("PURGES", false),
            ("purge", false), ("get", false),
        ] {
            #expect(try takes(match, method) == isTaken, "\(method)")
        }
        #expect(try takes(RouteMatch(methods: ["POST"]), "PURGE") == false)
        #expect(try takes(RouteMatch(), "PURGE"))
    }

    @Test(
        "header fields: names without case, any line of the name counts",
        arguments: [
            (ValuePattern.exact("1"), ["X-Beta: 1"], true), (.exact("1"), ["x-beta:1 "], true),
            (.exact("1"), ["X-BETA: 0", "x-beta: 1"], true), (.exact("1"), ["X-Beta: 11"], false),
            (.exact("1"), ["X-Betas: 1"], false), (.exact("1"), [], false), (.exact(""), ["X-Beta:"], true),
            (.exact(""), [], false), (.exact("a"), ["X-Beta: A"], false),
            (.prefix("ab"), ["X-Beta: abc"], true), (.prefix("ab"), ["X-Beta: a"], false),
            (.prefix("ab"), ["X-Beta: ab"], true), (.prefix("ab"), ["X-Beta: cab"], false),
            (.regex("[0-9]+"), ["X-Beta: 42"], true), (.regex("[0-9]+"), ["X-Beta: 42a"], false),
            (.regex(".*b.*"), ["X-Beta: a", "X-Beta: abc"], true), (.present, ["X-Beta: x"], true),
            (.present, ["X-Beta:"], true), (.present, ["X-Alpha: x"], false), (.absent, ["X-Alpha: x"], true),
            (.absent, ["X-Beta:"], false),
        ] as [(ValuePattern, [String], Bool)])
    func header(pattern: ValuePattern, lines: [String], isTaken: Bool) throws {
        let match = RouteMatch(header: [ValueCondition("x-beta", pattern)])
        #expect(try takes(match, "GET", "/", lines) == isTaken)
    }

    @Test(
        "query parameters: decoded, the first of a name counts",
        arguments: [
            (ValuePattern.exact("2"), "/?v=2", true), (.exact("2"), "/?a=1&v=2", true),
            (.exact("2"), "/?v=2&v=3", true),
            (.exact("2"), "/?v=3&v=2", false), (.exact("2"), "/?%76=%32", true), (.exact("2"), "/?V=2", false),
            (.exact("2"), "/?v=22", false), (.exact("2"), "/?vv=2", false), (.exact("2"), "/v=2", false),
            (.exact("2"), "/?a=v=2", false), (.exact("a=b"), "/?v=a=b", true), (.exact("a&b"), "/?v=a%26b", true),
            (.exact("a b"), "/?v=a%20b", true), (.exact("a b"), "/?v=a+b", false), (.exact("a+b"), "/?v=a+b", true),
            (.exact(""), "/?v", true), (.exact(""), "/?v=", true), (.exact(""), "/?v&v=1", true),
            (.exact(""), "/?", false), (.exact("%zz"), "/?v=%zz", true), (.exact("%"), "/?v=%", true),
            (.exact("%2"), "/?v=%2", true), (.exact("\u{fc}"), "/?v=%C3%bc", true), (.exact("2"), "/?&&v=2&", true),
            (.prefix("ab"), "/?v=%61%62c", true), (.prefix("ab"), "/?v=a", false),
            (.regex("[0-9]+"), "/?v=%34%32", true), (.regex("[0-9]+"), "/?v=4x", false), (.regex("a?"), "/?v", true),
            (.present, "/?v", true), (.present, "/?w=v", false), (.present, "/", false),
            (.absent, "/", true), (.absent, "/?", true), (.absent, "/?w", true), (.absent, "/?a&v", false),
        ] as [(ValuePattern, String, Bool)])
    func query(pattern: ValuePattern, target: String, isTaken: Bool) throws {
        let match = RouteMatch(query: [ValueCondition("v", pattern)])
        #expect(try takes(match, "GET", target) == isTaken)
    }

    @Test("everything that is stated must hold")
    func all() throws {
        let match = RouteMatch(
            path: .regex("/v[0-9]"), methods: ["GET"],
            header: [ValueCondition("a", .exact("1")), ValueCondition("b", .present)],
            query: [ValueCondition("c", .prefix("x")), ValueCondition("c", .regex(".y"))])
        #expect(try takes(match, "GET", "/v1?c=xy", ["A: 1", "B: 2"]))
        #expect(try !takes(match, "PUT", "/v1?c=xy", ["A: 1", "B: 2"]))
        #expect(try !takes(match, "GET", "/vx?c=xy", ["A: 1", "B: 2"]))
        #expect(try !takes(match, "GET", "/v1?c=xz", ["A: 1", "B: 2"]))
        #expect(try !takes(match, "GET", "/v1?c=zy", ["A: 1", "B: 2"]))
        #expect(try !takes(match, "GET", "/v1?c=xy", ["A: 0", "B: 2"]))
        #expect(try !takes(match, "GET", "/v1?c=xy", ["A: 1"]))
    }

    @Test("a pattern sees the whole path in normal form, without the query")
    func pathRegex() throws {
        let match = RouteMatch(path: .regex("/api/v[0-9]+/.*"))
        for target in ["/api/v1/", "/api/v12/x?y", "/x/../api/v1/y", "/%61pi/v1/", "/api/./v1/z", "http://a/api/v1/"] {
            #expect(try takes(match, "GET", target), "\(target)")
        }
        for target in ["/api/v/", "/api/v1", "/api/vx/", "/v1/api/v1/", "/api/v1/../x", "/?/api/v1/", "/api%2Fv1/"] {
            #expect(try !takes(match, "GET", target), "\(target)")
        }
    }

    @Test("a route whose conditions fail leaves the request to the next one, wherever it stands")
    func fallThrough() throws {
        let site = try RoutedSite([
            route(RouteMatch(path: .exact("/a/b"), methods: ["POST"])),
            route(RouteMatch(hosts: [.suffix("example")], path: .regex("/a/[a-z]"), header: [.init("x", .present)])),
            route(RouteMatch(path: .prefix("/a/"), query: [.init("q", .exact("1"))])),
            route(RouteMatch(hosts: [.exact("test.example")], path: .exact("/a/b"), methods: ["PUT"])),
            route(RouteMatch(path: .prefix("/a"))),
            route(RouteMatch(methods: ["DELETE"])),
            route(RouteMatch()),
        ])
        #expect(try site.route("POST", "/a/b?q=1", ["X: 1"]) == 0)
        #expect(try site.route("GET", "/a/b?q=1", ["X: 1"]) == 1)
        #expect(try site.route("GET", "/a/b?q=1", host: "other", ["X: 1"]) == 2)
        #expect(try site.route("PUT", "/a/b?q=1") == 2)
        #expect(try site.route("PUT", "/a/b") == 3)
        #expect(try site.route("DELETE", "/a/b") == 4)
        #expect(try site.route("DELETE", "/b") == 5)
        #expect(try site.route("PUT", "/b") == 6)
    }

    @Test("a snapshot whose pattern doesn't compile is refused, not served")
    func badPattern() {
        #expect(throws: (any Error).self) { try RoutedSite([route(RouteMatch(path: .regex("(")))]) }
    }
}
