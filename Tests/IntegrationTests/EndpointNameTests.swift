import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite(
        "Endpoints by name",
        .enabled(if: geteuid() == 0, "a hosts file of their own takes a mount namespace: needs root"))
    struct EndpointNameTests {
        @Test("a name that resolves to other addresses moves the traffic there: no request fails, and no new revision")
        func moves() throws {
            try Lab.run { lab in
                let port = try Ports.unused(), endpointPort = try Ports.unused()
                let a = try lab.http("a", host: "127.0.0.1", port: endpointPort)
                let b = try lab.http("b", host: "127.0.0.2", port: endpointPort)
                let site = try lab.site(
                    SiteText.http(port, to: ["app.sluice.test:\(endpointPort)"], nodes: 1, pool: "resolve: 200ms"),
                    hosts: "127.0.0.1 app.sluice.test\n")
                let load = lab.load(port, connections: 4)
                try load.progress()
                #expect(b.requests.isEmpty)
                let connectionsOfA = a.accepted

                try site.rewriteHosts("127.0.0.1 app.sluice.test\n127.0.0.2 app.sluice.test\n")
                try Eventually.holds("requests at the new address") { b.requests.count > 50 }
                let before = a.requests.count
                try Eventually.holds("requests at the old one still") { a.requests.count > before + 50 }
                #expect(a.accepted == connectionsOfA, "its connections were kept")

                try site.rewriteHosts("127.0.0.2 app.sluice.test\n")
                try Eventually.holds("the pool to have the new address only") {
                    let pools = try site.control.read("/v1/pools")["pools"]?.elements ?? []
                    return pools.first?["endpoints"]?.elements.map { $0["address"]?.text } == [b.address]
                }
                try Eventually.holds("the node to have heard of it") {
                    let before = a.requests.count
                    try load.progress(by: 100)
                    return a.requests.count == before
                }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(try site.control.revision() == 1)
                let names = try site.control.status()["names"]?.elements ?? []
                #expect(names.map { $0["name"]?.text } == ["app.sluice.test"])
                #expect(names.first?["addresses"]?.elements.map(\.text) == ["127.0.0.2"])
            }
        }
    }
}
