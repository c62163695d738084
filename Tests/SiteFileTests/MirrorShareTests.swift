import Snapshot
import Testing

@testable import SiteFile

@Suite("mirror.share")
struct MirrorShareTests {
    private func text(_ share: String) -> String {
        """
        listeners: {web: {address: ":8080"}}
        routes: [{to: app, mirror: {pool: next, share: \(share)}}]
        pools: {app: {endpoints: ["127.0.0.1:9001"]}, next: {endpoints: ["127.0.0.1:9002"]}}
        """
    }

    @Test(
        "a percentage with two decimals at most, as so many of 10,000",
        arguments: [("0.01%", 1), ("0.1%", 10), ("2.5%", 250), ("5%", 500), ("99.99%", 9999), ("100%", 10_000)])
    func good(share: String, of10000: Int) throws {
        let mirror = try #require(try compile(text(share)).snapshot.routes[0].mirror)
        #expect(mirror.share == of10000)
        #expect(Form<Int>.share.render(10_000) == "100%" && Form<Int>.share.render(205) == "2.05%")
    }

    @Test(
        "anything else is refused",
        arguments: ["0%", "0.00%", "100.01%", "101%", "0.001%", "5", "-1%", "1.%", ".5%", "5.-1%", "-0.5%"])
    func bad(share: String) {
        #expect(diagnostics(of: text(share)).map(\.severity) == [.error])
    }
}
