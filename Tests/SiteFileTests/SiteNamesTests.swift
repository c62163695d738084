import EventLoop
import Snapshot
import Testing

@testable import SiteFile

@Suite("Names of a site file")
struct SiteNamesTests {
    @Test("endpoints' names are known with the shortest interval of their pools; a listener's is not watched")
    func intervals() throws {
        let names = try compile(
            """
            listeners: {web: {address: "localhost:8080"}}
            routes: [{match: {path: /a}, to: a}, {match: {path: /b}, to: b}, {to: c}]
            pools:
              a: {endpoints: ["app.test:9000", {address: "one.test:9000"}], resolve: 5m}
              b: {endpoints: ["app.test:9001"], resolve: 10s}
              c: {endpoints: ["127.0.0.1:9000"]}

            """
        ).names
        #expect(names.intervals == ["app.test": .seconds(10), "one.test": .seconds(300)])
        #expect(names.addresses.keys.sorted() == ["app.test", "localhost", "one.test"])
        #expect(names.addresses["app.test"]?.map(\.host) == ["192.0.2.10", "192.0.2.11", "2001:db8::10"])
    }

    @Test("a forgiving resolver falls back to what was known, and to nothing else")
    func forgiving() throws {
        let resolver = ForgivingResolver(
            FixedResolver(),
            remembered: [
                "gone.test": [IPEndpoint(host: "192.0.2.1", port: 0)!],
                "one.test": [IPEndpoint(host: "192.0.2.9", port: 0)!],
            ])
        #expect(try resolver.addresses(of: "gone.test").map(\.host) == ["192.0.2.1"])
        #expect(try resolver.addresses(of: "one.test").map(\.host) == ["192.0.2.10"], "what resolves now counts")
        #expect(throws: ResolutionError.self) { try resolver.addresses(of: "never.test") }
    }
}
