import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("How requests are spread over a pool")
    struct BalanceTests {
        @Test("by default an endpoint that has become slow gets next to nothing; in turn it gets its share")
        func slowEndpoint() throws {
            for (balance, most) in [(nil, 0.05), ("round-robin", 1.0)] as [(String?, Double)] {
                try Lab.run { lab in
                    let quick = try lab.counting(), slow = try lab.counting(delay: .milliseconds(200))
                    let port = try Ports.unused()
                    _ = try lab.site(
                        SiteText.http(port, to: [quick.address, slow.address], nodes: 1, balance: balance))
                    let load = lab.load(port, connections: 6)
                    // The first requests tell that it is slow.
                    try load.progress(by: 40)
                    let before = (quick.counts.targets.count, slow.counts.targets.count)
                    try load.progress(by: 100)
                    let share = Double(slow.counts.targets.count - before.1)
                    let whole = share + Double(quick.counts.targets.count - before.0)
                    #expect(share <= most * whole, "\(balance ?? "default"): \(share) of \(whole)")
                    if most == 1 { #expect(share > 0.3 * whole, "\(share) of \(whole)") }
                    #expect(try load.stop().failed == 0)
                }
            }
        }

        @Test("an endpoint whose connections break looks slow, however quickly they do")
        func breaking() throws {
            try Lab.run { lab in
                let bad = try lab.http("bad") { _ in .raw("", closes: true) }
                let good = try lab.http("good"), port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [bad.address, good.address], nodes: 1, balance: nil))
                let client = try HTTPConnection(to: port)
                for _ in 0..<100 { #expect(try client.request("/").text == "good") }
                #expect((1...10).contains(bad.requests.count), "\(bad.requests.count) requests")
            }
        }

        @Test("a backup gets nothing as long as the others are there, and all when they aren't")
        func backup() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                _ = try lab.site(pools(port, "[\"\(a.address)\", {address: \"\(b.address)\", backup: true}]"))
                for _ in 0..<20 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                #expect(a.requestCount == 20 && b.requestCount == 0)
                a.kill()
                for _ in 0..<20 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                #expect(b.requestCount == 20)
                try a.start()
                try Eventually.holds("requests at the endpoint that is back, and none at the backup") {
                    let before = (a.requestCount, b.requestCount)
                    _ = try Curl.get("http://127.0.0.1:\(port)/")
                    return a.requestCount == before.0 + 1 && b.requestCount == before.1
                }
            }
        }

        @Test("fewer than half up: all are tried, and status and metrics say so", arguments: ["50%", "0%"])
        func panic(threshold: String) throws {
            try Lab.run { lab in
                let endpoints = try ["a", "b", "c"].map { try lab.nginx($0) }
                let port = try Ports.unused()
                let health = "health: {path: /healthz, interval: 100ms, timeout: 500ms, rise: 1, fall: 1}"
                let site = try lab.site(
                    SiteText.http(
                        port, to: endpoints.map(\.address), nodes: 1,
                        pool: "balance: round-robin, panic: \(threshold), \(health)"))
                for endpoint in endpoints { try waitForState("up", of: endpoint, in: site) }
                #expect(try site.metric("sluice_pool_panic", ["pool": "app"]) == 0)
                endpoints[0].failHealth()
                try waitForState("down", of: endpoints[0], in: site)
                #expect(try site.metric("sluice_pool_panic", ["pool": "app"]) == 0)
                endpoints[1].failHealth()
                try waitForState("down", of: endpoints[1], in: site)
                let panics = threshold != "0%"
                #expect(try site.metric("sluice_pool_panic", ["pool": "app"]) == (panics ? 1 : 0))
                #expect(try site.command.json(["pools"])["pools"]?.elements.first?["panic"]?.isTrue == panics)
                let before = endpoints.map(\.requestCount)
                for _ in 0..<12 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                let counts = zip(endpoints, before).map { $0.requestCount - $1 }
                #expect(counts == (panics ? [4, 4, 4] : [0, 0, 12]), "\(counts)")
            }
        }

        @Test("a node uses a subset, and another endpoint when one of it goes")
        func subset() throws {
            try Lab.run { lab in
                let endpoints = try (0..<6).map { try lab.nginx("e\($0)") }
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(
                        port, to: endpoints.map(\.address), nodes: 1, pool: "balance: round-robin, subset: 2"))
                for _ in 0..<24 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                let used = endpoints.filter { $0.requestCount > 0 }
                #expect(used.map(\.requestCount) == [12, 12])
                used.first?.kill()
                for _ in 0..<24 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                #expect(endpoints.filter { $0.requestCount > 0 }.count >= 3)
            }
        }

        @Test("endpoints of the node's zone are preferred while half of them are up")
        func zones() throws {
            try Lab.run { lab in
                let near = try [lab.nginx("near-1"), lab.nginx("near-2")], far = try lab.nginx("far")
                let port = try Ports.unused()
                let list = near.map { "{address: \"\($0.address)\", zone: east}" }.joined(separator: ", ")
                _ = try lab.site(
                    pools(port, "[\(list), {address: \"\(far.address)\", zone: west}]", proxy: "zone: east"))
                for _ in 0..<20 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                #expect(far.requestCount == 0)
                near[0].kill()
                for _ in 0..<20 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                #expect(far.requestCount == 0)
                near[1].kill()
                for _ in 0..<20 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                #expect(far.requestCount == 20)
            }
        }

        @Test("an endpoint that comes back begins with a small share")
        func slowStart() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                let health =
                    "health: {path: /healthz, interval: 100ms, timeout: 500ms, rise: 1, fall: 1, slow_start: 10m}"
                let site = try lab.site(
                    SiteText.http(
                        port, to: [a.address, b.address], nodes: 1, pool: "balance: round-robin, \(health)"))
                try waitForState("up", of: a, in: site)
                try waitForState("up", of: b, in: site)
                for _ in 0..<20 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                #expect(abs(a.requestCount - b.requestCount) <= 2, "no slow start for the first endpoints of a site")
                b.failHealth()
                try waitForState("down", of: b, in: site)
                try b.restoreHealth()
                try waitForState("up", of: b, in: site)
                let before = (a.requestCount, b.requestCount)
                for _ in 0..<34 { #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200) }
                // A sixteenth against a whole share for the first 37 s: 2 of 34, and one for where the rotation began.
                #expect((1...3).contains(b.requestCount - before.1), "\(b.requestCount - before.1) of 34")
            }
        }

        private func pools(_ port: UInt16, _ endpoints: String, proxy: String = "workers: 1") -> String {
            """
            proxy: {nodes: 1, \(proxy)}
            listeners:
              web: {address: "127.0.0.1:\(port)"}
            routes:
              - {to: app}
            pools:
              app: {endpoints: \(endpoints)}
            """
        }

        private func waitForState(_ state: String, of endpoint: NginxEndpoint, in site: Site) throws {
            try Eventually.holds("endpoint \(endpoint.name) to be \(state)", every: .milliseconds(30)) {
                try site.control.endpoint("app", endpoint.address)?["state"]?.text == state
            }
        }
    }
}
