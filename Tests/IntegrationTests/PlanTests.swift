import TestKit
import Testing

extension IntegrationTests {
    /// The numbers themselves are `PlanningTests`'; 10 million pairs of node and endpoint want an optimised build.
    @Suite("sluice plan")
    struct PlanTests {
        @Test("1,000 nodes and 10,000 endpoints: shares stay even when 20 and 100 of them fail")
        func large() throws {
            let directory = try TemporaryDirectory()
            let endpoints = (0..<10_000).map { "\"10.0.\($0 / 256).\($0 % 256):80\"" }
            try directory.write(
                """
                listeners: {web: {address: "127.0.0.1:8080"}}
                routes: [{name: main, to: app}]
                pools: {app: {balance: least-request, endpoints: [\(endpoints.joined(separator: ", "))]}}
                """, to: "site.yaml")
            let plan = try SluiceCommand(socket: directory.file("none.sock")).json([
                "plan", directory.file("site.yaml"), "--nodes", "1000", "--fail", "20", "--fail-endpoints", "100",
                "--rate", "10000000/s",
            ])
            func number(_ value: JSON?) throws -> Double { try #require(value?.number) }
            let nodes = try #require(plan["nodes"])
            #expect(try abs(number(nodes["lost_share"]) - 0.02) < 0.001)
            #expect(try number(nodes["moved_share"]) < 0.05)
            #expect(try number(nodes["rate_after"]?["most"]) / number(nodes["rate_after"]?["mean"]) < 1.3)
            let pool = try #require(plan["pools"]?.elements.first)
            #expect(pool["scope"]?.text == "normal")
            let (mean, most) = try (number(pool["rate"]?["mean"]), number(pool["rate"]?["most"]))
            #expect(abs(mean - 10_000_000.0 / 9_900) < 1 && most / mean < 1.5, "\(pool)")
        }
    }
}
