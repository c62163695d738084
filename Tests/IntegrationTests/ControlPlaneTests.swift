import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("The control plane stays out of the way")
    struct ControlPlaneTests {
        @Test("killed and restarted under load: no request fails, and the nodes are adopted")
        func restart() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                try site.control.waitForProxies(2)
                let nodes = site.nodeProcesses
                #expect(nodes.keys.sorted() == ["forwarder", "proxy-1", "proxy-2"])
                let load = lab.load(port, connections: 8, requestsPerConnection: 20, expecting: "a")
                try load.progress()
                try site.killControlPlane()
                try load.progress(by: 1000)
                #expect(site.nodeProcesses == nodes, "nodes live without a control plane")
                try site.start()
                try site.control.waitForProxies(2)
                #expect(site.nodeProcesses == nodes, "the running nodes are adopted, not replaced")
                let listed = try site.control.nodes().compactMap { $0["pid"]?.integer }.sorted()
                #expect(listed == nodes.values.map(Int.init).sorted())
                try load.progress()
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                // An adopted node is watched like one that was started.
                kill(try #require(nodes["proxy-1"]), SIGKILL)
                try Eventually.holds("the adopted node to be replaced", within: .seconds(15)) {
                    try site.nodeProcesses["proxy-1"] != nil && site.nodeProcesses["proxy-1"] != nodes["proxy-1"]
                        && site.control.node("proxy-1")?["state"]?.text == "up"
                }
            }
        }

        @Test("apply of a bad file changes nothing and says where it is wrong")
        func badFile() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let good = SiteText.http(port, to: [app.address])
                let site = try lab.site(good)
                let (status, nodes) = (try site.control.status(), site.nodeProcesses)
                try site.rewrite(
                    """
                    listeners:
                      web: {address: "127.0.0.1:\(port)", colour: blue}
                    routes:
                      - to: nowhere
                    pools:
                      app: {endpoints: ["\(app.address)"]}
                    """)
                let result = try site.command.run(["apply", site.file])
                #expect(result.exitCode == 1)
                // Both problems in one pass, each with its line and column.
                #expect(result.errors.contains("site.yaml:2:") && result.errors.contains("colour"), "\(result)")
                #expect(result.errors.contains("site.yaml:4:") && result.errors.contains("nowhere"), "\(result)")
                let after = try site.control.status()
                #expect(after["revision"] == status["revision"])
                #expect(after["digest"] == status["digest"])
                #expect(site.nodeProcesses == nodes)
                #expect(try Curl.get("http://127.0.0.1:\(port)/").text == "a")
            }
        }

        @Test("the API answers a bad file with 422 and diagnostics, a good one with 201, a dry run with 200")
        func revisionsByAPI() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                let revision = try site.control.revision()
                let bad = try site.control.request(
                    "POST", "/v1/revisions", body: "listeners: {web: {adress: \"127.0.0.1:1\"}}\n")
                #expect(bad.status == 422)
                let error = try #require(try bad.json()["error"])
                #expect(error["message"]?.text?.isEmpty == false)
                let diagnostic = try #require(
                    error["diagnostics"]?.elements.first { ($0["message"]?.text ?? "").contains("adress") })
                #expect(diagnostic["line"]?.integer == 1)
                #expect((diagnostic["column"]?.integer ?? 0) > 1)
                #expect(diagnostic["severity"]?.text == "error")

                let good = SiteText.http(port, to: [app.address], route: "response: {set: {X-New: \"1\"}}")
                let dry = try site.control.request("POST", "/v1/revisions?dry_run=true", body: good)
                #expect(dry.status == 200)
                #expect(try site.control.revision() == revision)
                let applied = try site.control.request("POST", "/v1/revisions", body: good)
                #expect(applied.status == 201, "\(applied.text)")
                #expect(try applied.json()["revision"]?.integer == revision + 1)
                #expect(try site.control.revision() == revision + 1)
                try Eventually.holds("the new rule") { try Curl.get("http://127.0.0.1:\(port)/").head["X-New"] == "1" }
            }
        }

        @Test("apply changes routes under load; open connections stay and see the change")
        func goodFile() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [a.address]))
                let (revision, nodes) = (try site.control.revision(), site.nodeProcesses)
                let load = lab.load(port, connections: 8)
                let client = try HTTPConnection(to: port)
                #expect(try client.request("/").text == "a")
                try load.progress()
                try site.rewrite(SiteText.http(port, to: [b.address]))
                let output = try site.command.succeed(["apply", site.file])
                #expect(output.contains("\(revision + 1)"), "the answer names the revision: \(output)")
                // The same connection: it fails to throw only if it was never closed.
                try Eventually.value("the new pool on the open connection") { () -> Void? in
                    let response = try client.request("/")
                    return response.text == "b" ? () : nil
                }
                try load.progress()
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(report.cleanCloses == 0 && report.connections == 8, "connections were touched: \(report)")
                #expect(site.nodeProcesses == nodes)
                #expect(try site.control.revision() == revision + 1)
                #expect(try site.control.nodes().allSatisfy { $0["revision"]?.integer == revision + 1 })
            }
        }

        @Test("a listener is added and taken away while the others serve")
        func listenersComeAndGo() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a")
                let (port, extra) = (try Ports.unused(), try Ports.unused())
                let one = SiteText.http(port, to: [a.address])
                let two = one.replacing("listeners:\n", with: "listeners:\n  more: {address: \"127.0.0.1:\(extra)\"}\n")
                let site = try lab.site(one)
                let load = lab.load(port, connections: 4)
                try site.rewrite(two)
                try site.command.succeed(["apply", site.file])
                #expect(try Curl.get("http://127.0.0.1:\(extra)/").text == "a")
                try site.rewrite(one)
                try site.command.succeed(["apply", site.file])
                try Eventually.holds("the listener to be gone") {
                    try Curl.request("http://127.0.0.1:\(extra)/").exitCode == 7
                }
                try load.progress()
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
            }
        }

        @Test("a port that is taken: apply fails and the old site serves on")
        func portTaken() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let squatter = try lab.scripted { _ in }
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [a.address]))
                let status = try site.control.status()
                try site.rewrite(
                    SiteText.http(port, to: [b.address]).replacing(
                        "listeners:\n", with: "listeners:\n  taken: {address: \"\(squatter.address)\"}\n"))
                let result = try site.command.run(["apply", site.file])
                #expect(result.exitCode == 1, "\(result)")
                #expect(result.errors.contains("taken") && result.errors.contains("\(squatter.port)"), "\(result)")
                for _ in 0..<10 { #expect(try Curl.get("http://127.0.0.1:\(port)/").text == "a") }
                let after = try site.control.status()
                #expect(after["revision"] == status["revision"])
                #expect(after["digest"] == status["digest"])
                let listeners = try site.control.read("/v1/listeners")["listeners"]?.elements ?? []
                #expect(listeners.compactMap { $0["name"]?.text } == ["web"])
            }
        }

        @Test("SIGHUP reads the file again; a bad one changes nothing")
        func hangUp() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [a.address]))
                let revision = try site.control.revision()
                try site.rewrite(SiteText.http(port, to: [b.address]))
                site.signal(SIGHUP)
                try Eventually.holds("the new file in force") { try Curl.get("http://127.0.0.1:\(port)/").text == "b" }
                #expect(try site.control.revision() == revision + 1)
                try site.rewrite("listeners: {web: {}}\nnonsense: 1")
                site.signal(SIGHUP)
                try Eventually.holds("the diagnostics in the log") { site.log.contains("nonsense") }
                #expect(try site.control.revision() == revision + 1)
                #expect(try Curl.get("http://127.0.0.1:\(port)/").text == "b")
            }
        }

        @Test("SIGTERM finishes the request under way, then all ends with exit code 0")
        func drainOnTermination() throws {
            try Lab.run { lab in
                let gate = Gate()
                let app = try lab.http { request in
                    if request.head.target == "/slow" { try gate.wait() }
                    return .response("whole")
                }
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                let idle = try HTTPConnection(to: port)
                #expect(try idle.request("/").status == 200)
                let client = try HTTPConnection(to: port)
                try client.socket.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
                try Eventually.holds("the slow request at the endpoint") { !app.requests(for: "/slow").isEmpty }
                site.signal(SIGTERM)
                try Eventually.holds("new connections to be refused") {
                    try Curl.request("http://127.0.0.1:\(port)/").exitCode == 7
                }
                #expect(try idle.isClosedByPeer(), "an idle connection need not be waited for")
                #expect(site.controlPlane?.exitStatus == nil, "the request under way is waited for")
                gate.open()
                #expect(try client.response().text == "whole")
                #expect(try site.waitForExit() == .exited(0))
                #expect(site.nodeProcesses.isEmpty)
            }
        }

        @Test("a site that cannot start says why and ends with 1")
        func cannotStart() throws {
            try Lab.run { lab in
                let squatter = try lab.scripted { _ in }
                let site = try lab.site(SiteText.http(squatter.port, to: ["127.0.0.1:1"]), start: false)
                try site.start(ready: false)
                #expect(try site.waitForExit() == .exited(1))
                #expect(site.log.contains("\(squatter.port)") && site.log.contains("web"), "\(site.log)")
                #expect(site.nodeProcesses.isEmpty, "nothing is left running")
            }
        }
    }
}
