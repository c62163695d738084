import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Nodes that die")
    struct NodeFailureTests {
        @Test("a proxy node killed under load breaks its own connections only, and is started again")
        func proxyKilled() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                try site.control.waitForProxies(2)
                let load = lab.load(port, connections: 16)
                try load.progress()
                let victim = try #require(try site.control.proxies().max { held($0) < held($1) })
                let (id, pid, own) = (victim["id"]?.text ?? "", victim["pid"]?.integer ?? 0, held(victim))
                try #require(own > 0 && pid > 0, "\(victim)")
                let before = load.report
                #expect(before.failed == 0, "\(before)")

                try ProcessStat.killAndWait(pid_t(pid))
                // New connections are served at once: nobody waits for the restart.
                for _ in 0..<50 {
                    let client = try HTTPConnection(to: port, timeout: .seconds(2))
                    let response = try client.request("/")
                    #expect(response.status == 200)
                }
                try load.progress()
                try Eventually.holds("node \(id) to be up in a new process", every: .milliseconds(30)) {
                    let node = try site.control.node(id)
                    return node?["state"]?.text == "up" && node?["pid"]?.integer != pid
                }
                try site.control.waitForProxies(2)
                try load.progress()
                let report = try load.stop()
                #expect(report.failed <= own, "the node had \(own) connections: \(report)")
                let node = try #require(try site.control.node(id))
                #expect((node["restarts"]?.integer ?? 0) >= 1)
                #expect(site.nodeProcesses[id].map(Int.init) == node["pid"]?.integer)
            }
        }

        @Test("killing one node again and again never stops the service")
        func killedRepeatedly() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                for _ in 0..<3 {
                    let pid = try #require(site.nodeProcesses["proxy-1"])
                    try ProcessStat.killAndWait(pid)
                    for _ in 0..<20 {
                        let response = try HTTPConnection(to: port, timeout: .seconds(2)).request("/")
                        #expect(response.status == 200)
                    }
                    try Eventually.holds("proxy-1 in a new process", within: .seconds(20)) {
                        try site.control.node("proxy-1")?["state"]?.text == "up"
                            && site.nodeProcesses["proxy-1"].map { $0 != pid } == true
                    }
                }
            }
        }

        @Test("the forwarder killed: connections it had handed over live on, and it serves again")
        func forwarderKilled() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                let client = try HTTPConnection(to: port)
                #expect(try client.request("/").status == 200)
                let pid = try #require(site.nodeProcesses["forwarder"])
                try ProcessStat.killAndWait(pid)
                // The node has the client's own socket; the forwarder is not on its path.
                #expect(try client.request("/").status == 200)
                try Eventually.holds("new connections to be served by a new forwarder") {
                    try HTTPConnection(to: port, timeout: .seconds(2)).request("/").status == 200
                        && site.nodeProcesses["forwarder"].map { $0 != pid } == true
                }
                #expect(try client.request("/").status == 200)
                try Eventually.holds("the forwarder to be shown as up") {
                    try site.control.node("forwarder")?["state"]?.text == "up"
                }
            }
        }

        private func held(_ node: JSON) -> Int { node["connections"]?.integer ?? 0 }
    }
}
