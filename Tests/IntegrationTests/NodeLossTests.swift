import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// What clients lose when a proxy node stops or leaves. Killed: see `NodeFailureTests`.
    @Suite("Loss when a node stops or leaves")
    struct NodeLossTests {
        @Test("stopped (SIGSTOP): new connections go to the other node; those it has wait, and nothing is lost")
        func stopped() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                try site.control.waitForProxies(2)
                let held = try (0..<8).map { _ in try HTTPConnection(to: port, timeout: .seconds(20)) }
                for client in held { #expect(try client.request("/").status == 200) }
                let victim = try #require(site.nodeProcesses["proxy-1"])
                kill(victim, SIGSTOP)
                defer { kill(victim, SIGCONT) }
                var slowest = Duration.zero
                for _ in 0..<60 {
                    let clock = ContinuousClock()
                    let took = try clock.measure {
                        let client = try HTTPConnection(to: port, timeout: .seconds(5))
                        #expect(try client.request("/").status == 200)
                    }
                    slowest = max(slowest, took)
                }
                #expect(slowest < .seconds(2), "\(slowest)")
                #expect(try site.metric("sluice_forwarder_node_stalls_total", ["node": "proxy-1"]) >= 1)
                kill(victim, SIGCONT)
                // A connection that was taken back must not be served twice: each answer is the one to its own request.
                for client in held { #expect(try client.request("/").status == 200) }
                let before = try site.metric("sluice_forwarder_connections_total", ["node": "proxy-1"])
                try Eventually.holds("connections to the node that goes on", every: .milliseconds(30)) {
                    #expect(try HTTPConnection(to: port, timeout: .seconds(5)).request("/").status == 200)
                    return try site.metric("sluice_forwarder_connections_total", ["node": "proxy-1"]) > before + 3
                }
            }
        }

        @Test("two of three nodes drained at a time, and resumed, under load: no request fails")
        func drained() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address], nodes: 3))
                try site.control.waitForProxies(3)
                let load = lab.load(port, connections: 12, requestsPerConnection: 50)
                try load.progress()
                for pair in [["proxy-1", "proxy-2"], ["proxy-3", "proxy-1"]] {
                    for id in pair { try site.command.succeed(["drain", id]) }
                    try Eventually.holds("\(pair) to be drained", every: .milliseconds(30)) {
                        try pair.allSatisfy { id in
                            let node = try site.control.node(id)
                            return node?["state"]?.text == "draining" && node?["connections"]?.integer == 0
                        }
                    }
                    try load.progress()
                    for id in pair { try site.command.succeed(["resume", id]) }
                    try site.control.waitForProxies(3)
                    try load.progress()
                }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
            }
        }

        @Test("a drained node's deadline cuts what is left, and only then")
        func drainDeadline() throws {
            try Lab.run { lab in
                let app = try lab.counting(holding: true)
                let port = try Ports.unused()
                let text = SiteText.http(port, to: [app.address], nodes: 1)
                    .replacing("proxy: {nodes: 1,", with: "proxy: {nodes: 1, drain_timeout: 1s,")
                let site = try lab.site(text)
                let client = try HTTPConnection(to: port)
                try client.socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                try Eventually.holds("the request at the endpoint") { app.counts.held == 1 }
                let clock = ContinuousClock()
                let began = clock.now
                try site.command.succeed(["drain", "proxy-1"])
                let response = try client.response()
                #expect(response.status == 503)
                #expect(clock.now - began >= .milliseconds(950), "\(clock.now - began)")
                try Eventually.holds("the node to have no connection", every: .milliseconds(30)) {
                    try site.control.node("proxy-1")?["connections"]?.integer == 0
                }
            }
        }

        @Test("connections of a listener that left the site end at the deadline of the configuration")
        func listenerLeaves() throws {
            try Lab.run { lab in
                let app = try lab.nginx("a")
                let (port, other) = (try Ports.unused(), try Ports.unused())
                func text(_ listeners: String) -> String {
                    """
                    proxy: {nodes: 1, drain_timeout: 1s}
                    listeners: {\(listeners)}
                    routes: [{to: app}]
                    pools:
                      app: {endpoints: ["\(app.address)"]}
                    """
                }
                let web = "web: {address: \"127.0.0.1:\(port)\"}"
                let site = try lab.site(text(web + ", old: {address: \"127.0.0.1:\(other)\"}"))
                let (stays, goes) = (try HTTPConnection(to: port), try HTTPConnection(to: other))
                #expect(try stays.request("/").status == 200)
                #expect(try goes.request("/").status == 200)
                try site.rewrite(text(web))
                let clock = ContinuousClock()
                let began = clock.now
                try site.command.succeed(["apply", site.file])
                try Eventually.holds("the old listener's connection to be closed") { goes.socket.peerHasClosed }
                #expect(clock.now - began >= .milliseconds(950), "\(clock.now - began)")
                #expect(try stays.request("/").status == 200)
            }
        }

        @Test("a node that dies is out of the table with the first connection it refuses")
        func refusedOnce() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                var text = SiteText.http(port, to: [app.address])
                text += "\nforwarder: {hand_over: never}"
                let site = try lab.site(text)
                try site.control.waitForProxies(2)
                // The control plane must not be faster than the forwarder: it is stopped, and doesn't start the node again.
                let control = try #require(site.controlPlane)
                let failures = try site.metric("sluice_forwarder_node_failures_total", ["node": "proxy-1"])
                control.signal(SIGSTOP)
                let pid = try #require(site.nodeProcesses["proxy-1"])
                try ProcessStat.killAndWait(pid)
                let clock = ContinuousClock()
                var slowest = Duration.zero
                let took = try clock.measure {
                    for _ in 0..<100 {
                        let one = try clock.measure {
                            let client = try HTTPConnection(to: port, timeout: .seconds(5))
                            #expect(try client.request("/").status == 200)
                        }
                        slowest = max(slowest, one)
                    }
                }
                control.signal(SIGCONT)
                // One refused connection a second, when the node's rest is over, and relayed ones that broke: none here.
                let refused = try site.metric("sluice_forwarder_node_failures_total", ["node": "proxy-1"]) - failures
                #expect(refused >= 1 && refused <= 1 + seconds(took), "\(refused) of 100 in \(took)")
                #expect(slowest < .seconds(1), "\(slowest)")
            }
        }
    }
}
