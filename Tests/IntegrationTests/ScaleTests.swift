import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("More nodes, fewer nodes, and drains")
    struct ScaleTests {
        @Test("2 nodes, 4, then 1 under load: no request fails", arguments: [nil, 20])
        func scale(requestsPerConnection: Int?) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                try site.control.waitForProxies(2)
                let load = lab.load(port, connections: 8, requestsPerConnection: requestsPerConnection, expecting: "a")
                try load.progress()
                try site.command.succeed(["scale", "4"])
                try site.control.waitForProxies(4)
                #expect(site.nodeProcesses.keys.filter { $0 != "forwarder" }.count == 4)
                try load.progress()
                try site.command.succeed(["scale", "1"])
                try Eventually.holds("three nodes to have drained and ended") {
                    site.nodeProcesses.keys.filter { $0 != "forwarder" }.count == 1
                }
                try site.control.waitForProxies(1)
                try load.progress()
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
            }
        }

        @Test("a drained node takes no new connections, loses none, and comes back with resume")
        func drainNode() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                try site.control.waitForProxies(2)
                let load = lab.load(port, connections: 8, requestsPerConnection: 10)
                try load.progress()
                try site.command.succeed(["drain", "proxy-1"])
                try Eventually.holds("proxy-1 to be drained", every: .milliseconds(30)) {
                    let node = try site.control.node("proxy-1")
                    return ["draining", "down"].contains(node?["state"]?.text) && node?["connections"]?.integer == 0
                }
                let before = try requests(of: "proxy-1", site)
                try load.progress()
                #expect(try requests(of: "proxy-1", site) == before)
                try site.command.succeed(["resume", "proxy-1"])
                try site.control.waitForProxies(2)
                let resumed = try requests(of: "proxy-1", site)
                try Eventually.holds("requests at proxy-1") { try requests(of: "proxy-1", site) > resumed }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
            }
        }

        @Test("a drained endpoint gets no new requests until resume")
        func drainEndpoint() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [a.address, b.address]))
                let load = lab.load(port, connections: 8)
                try load.progress()
                let revision = try site.control.revision()
                try site.command.succeed(["drain", "app/\(a.address)"])
                try Eventually.holds("endpoint a to be draining") {
                    try ["draining", "down"].contains(site.control.endpoint("app", a.address)?["state"]?.text)
                }
                // One request a connection may have been on its way.
                try load.progress(by: 50)
                let before = a.requestCount
                try load.progress()
                #expect(a.requestCount == before)
                #expect(try site.control.revision() == revision, "a drain is no new revision")
                try site.command.succeed(["resume", "app/\(a.address)"])
                try Eventually.holds("requests at endpoint a") { a.requestCount > before }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
            }
        }

        @Test("a name that does not exist is refused")
        func unknownNames() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                for name in ["proxy-99", "app/127.0.0.1:1", "nothing/127.0.0.1:1"] {
                    let result = try site.command.run(["drain", name])
                    #expect(result.exitCode == 1, "\(result)")
                    #expect(result.errors.contains(name.split(separator: "/")[0]), "\(result)")
                }
            }
        }

        private func requests(of id: String, _ site: Site) throws -> Int {
            try #require(try site.control.node(id)?["requests"]?.integer)
        }
    }
}
