import Pattern
import Snapshot
import Testing

@testable import SiteFile

@Suite("Match of a route")
struct MatchTests {
    private func match(_ text: String) throws -> RouteMatch {
        try compile(site(text)).snapshot.routes[0].match
    }

    private func site(_ match: String) -> String {
        """
        listeners: {web: {address: ":80"}}
        routes: [{match: \(match), to: app}]
        pools: {app: {endpoints: ["127.0.0.1:9001"]}}
        """
    }

    @Test("every key reaches its field")
    func everyKey() throws {
        let match = try match(
            """
            {host: a.example, path: {regex: "/v[0-9]+"}, method: [GET, PURGE], header: {X-Beta: "1", x-n: 5, A: {prefix: b, regex: ".*c"}, N: {present: false}}, \
            query: {V: "2", "a b": {present: true}, e: ""}}
            """)
        #expect(
            match
                == RouteMatch(
                    hosts: [.exact("a.example")], path: .regex("/v[0-9]+"), methods: ["GET", "PURGE"],
                    header: [
                        ValueCondition("x-beta", .exact("1")), ValueCondition("x-n", .exact("5")),
                        ValueCondition("a", .prefix("b")), ValueCondition("a", .regex(".*c")),
                        ValueCondition("n", .absent),
                    ],
                    query: [
                        ValueCondition("V", .exact("2")), ValueCondition("a b", .present),
                        ValueCondition("e", .exact("")),
                    ]))
        #expect(try self.match("{method: GET}") == RouteMatch(methods: ["GET"]))
        #expect(
            try self.match("{header: {a: {present: true, prefix: b}}}").header == [ValueCondition("a", .prefix("b"))])
    }

    @Test("32 conditions of a kind are taken, 33 are not", arguments: ["header", "query"])
    func conditionCount(kind: String) throws {
        for (count, isAccepted) in [(31, true), (32, true), (33, false)] {
            let map = (0..<count).map { "n\($0): \"1\"" }.joined(separator: ", ")
            #expect(diagnostics(of: site("{\(kind): {\(map)}}")).isEmpty == isAccepted, "\(count)")
        }
    }

    @Test("names and values of 4096 bytes are taken, of 4097 are not", arguments: ["header", "query"])
    func conditionBytes(kind: String) throws {
        for (count, isAccepted) in [(4095, true), (4096, true), (4097, false)] {
            let text = String(repeating: "v", count: count)
            for map in ["{n: \(text)}", "{n: {prefix: \(text)}}"] {
                #expect(diagnostics(of: site("{\(kind): \(map)}")).isEmpty == isAccepted, "\(count)")
            }
        }
        let name = String(repeating: "n", count: 1000)
        #expect(diagnostics(of: site("{\(kind): {\(name): a}}")).isEmpty)
    }

    @Test("a pattern of 1024 bytes is taken, of 1025 is not; the place is the pattern's")
    func patternBytes() throws {
        for (count, isAccepted) in [(1023, true), (1024, true), (1025, false)] {
            let found = diagnostics(of: site("{path: {regex: \"/[\(String(repeating: "a", count: count - 3))]\"}}"))
            #expect(found.isEmpty == isAccepted, "\(count)")
            #expect(found.allSatisfy { ($0.location.line, $0.location.column) == (2, 33) })
        }
    }

    @Test("the tables of a site at their limit; a pattern used twice counts once")
    func tableBytes() throws {
        let one = try Automaton("/a[0-9]+").tableBytes, two = try Automaton("/b").tableBytes
        for (bytesMax, isAccepted) in [(one + two - 1, false), (one + two, true), (one + two + 1, true)] {
            let patterns = SitePatterns(bytesMax: bytesMax)
            for _ in 0..<3 { _ = try patterns.automaton("/a[0-9]+") }
            if isAccepted {
                _ = try patterns.automaton("/b")
            } else {
                #expect(throws: PatternError.self) { try patterns.automaton("/b") }
            }
        }
    }

    @Test("a thousand routes with a pattern each compile")
    func manyPatterns() throws {
        var text = "listeners: {web: {address: \":80\"}}\nroutes:\n"
        for index in 0..<1000 {
            text += "  - {match: {path: {regex: \"/p\(index)/[0-9]+\"}, header: {x: \"\(index)\"}}, to: app}\n"
        }
        text += "pools: {app: {endpoints: [\"127.0.0.1:9001\"]}}\n"
        let site = try compile(text)
        #expect(site.snapshot.routes.count == 1000)
        #expect(site.warnings.isEmpty)
    }
}
