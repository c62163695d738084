import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Commands, JSON and metrics")
    struct CommandTests {
        @Test("check: 0 for a good file, 1 and every problem for a bad one")
        func check() throws {
            let directory = try TemporaryDirectory()
            let good = try directory.write(SiteText.http(8080, to: ["127.0.0.1:9001"]) + "\n", to: "good.yaml")
            #expect(try sluice(["check", good]).exitCode == 0)
            let bad = try directory.write(
                """
                listeners:
                  web: {address: "127.0.0.1:99999"}
                  web: {address: "127.0.0.1:8080"}
                routes:
                  - {to: ap}
                pools:
                  app: {endpoints: ["127.0.0.1:9001"], balanse: random}

                """, to: "bad.yaml")
            let result = try sluice(["check", bad])
            #expect(result.exitCode == 1)
            let text = result.text + result.errors
            for place in ["bad.yaml:2:", "bad.yaml:3:", "bad.yaml:5:", "bad.yaml:7:"] {
                #expect(text.contains(place), "no diagnostic at \(place): \(text)")
            }
            let json = try JSON.parse(try sluice(["check", bad, "--json"]).output)
            let diagnostics = json["diagnostics"]?.elements ?? json["error"]?["diagnostics"]?.elements ?? []
            #expect(diagnostics.count >= 4)
            for diagnostic in diagnostics {
                #expect(Set(diagnostic.keys).isSuperset(of: ["file", "line", "column", "severity", "message"]))
            }
            #expect(try sluice(["check", good, "--json"]).exitCode == 0)
            #expect(try sluice(["check", directory.file("none.yaml")]).exitCode == 1)
        }

        @Test(
            "wrong usage ends with 2 and says so on standard error",
            arguments: [
                ["check"], ["scale"], ["scale", "many"], ["drain"], ["status", "--nonsense"], ["no-such-command"],
                ["no-such-command", "--help"], ["no-such-command", "--version"],
            ])
        func wrongUsage(arguments: [String]) throws {
            let result = try sluice(arguments)
            #expect(result.exitCode == 2, "\(result)")
            #expect(!result.errors.isEmpty)
            #expect(result.text.isEmpty, "\(result)")
        }

        @Test(
            "help ends with 0", arguments: [["--help"], ["run", "--help"], ["apply", "--help"], ["help", "apply"]])
        func help(arguments: [String]) throws {
            let result = try sluice(arguments)
            #expect(result.exitCode == 0)
            let command = arguments.first { !["--help", "help"].contains($0) } ?? "<subcommand>"
            #expect(result.text.contains("USAGE: sluice \(command)"), "\(result)")
        }

        @Test(
            "without a control plane the commands say so and end with 1",
            arguments: [
                ["status"], ["nodes"], ["pools", "--json"], ["scale", "2"], ["drain", "proxy-1"],
            ])
        func noControlPlane(arguments: [String]) throws {
            let directory = try TemporaryDirectory()
            let socket = directory.file("control.sock")
            let result = try SluiceCommand(socket: socket).run(arguments)
            #expect(result.exitCode == 1, "\(result)")
            #expect(result.errors.contains(socket), "the message names the socket: \(result)")
        }

        @Test("the reading commands print the API's objects with stable names")
        func reading() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                try site.control.waitForProxies(2)
                for _ in 0..<20 { _ = try Curl.get("http://127.0.0.1:\(port)/") }

                let status = try site.command.json(["status"])
                expectNames(
                    status, ["site", "revision", "digest", "uptime_seconds", "version", "nodes", "control", "names"])
                #expect(status["site"]?.text == "test")
                #expect(status["nodes"]?["up"]?.integer == 3 && status["nodes"]?["total"]?.integer == 3)
                #expect(status["control"]?["pid"]?.integer == site.controlPlane.map { Int($0.pid) })

                let nodes = try site.command.json(["nodes"])["nodes"]?.elements ?? []
                #expect(nodes.compactMap { $0["id"]?.text }.sorted() == ["forwarder", "proxy-1", "proxy-2"])
                for node in nodes {
                    expectNames(
                        node,
                        [
                            "id", "role", "state", "pid", "revision", "local", "connections", "requests", "restarts",
                            "uptime_seconds",
                        ])
                    #expect(node["state"]?.text == "up" && node["local"] == .bool(true))
                    #expect(node["pid"]?.integer == node["id"]?.text.flatMap { site.nodeProcesses[$0] }.map(Int.init))
                    #expect(node["revision"] == status["revision"])
                }
                let served = nodes.filter { $0["role"]?.text == "proxy" }.compactMap { $0["requests"]?.integer }
                #expect(served.reduce(0, +) == 20)

                let pools = try site.command.json(["pools"])["pools"]?.elements ?? []
                #expect(pools.compactMap { $0["name"]?.text } == ["app"])
                let endpoint = try #require(pools.first?["endpoints"]?.elements.first)
                expectNames(endpoint, ["address", "weight", "state", "requests", "active", "failures", "connections"])
                #expect(endpoint["address"]?.text == app.address)
                #expect(endpoint["requests"]?.integer == 20)

                let listeners = try site.command.json(["listeners"])["listeners"]?.elements ?? []
                let listener = try #require(listeners.first)
                expectNames(listener, ["name", "protocol", "addresses", "connections", "accepted"])
                #expect(listener["addresses"]?.elements == [.string("127.0.0.1:\(port)")])
                #expect(listener["accepted"]?.integer == 20)

                let routes = try site.command.json(["routes"])["routes"]?.elements ?? []
                let route = try #require(routes.first)
                expectNames(route, ["name", "listeners", "match", "to", "requests"])
                #expect(route["name"]?.text == "main" && route["requests"]?.integer == 20)
                #expect(route["to"]?.elements.first?["pool"]?.text == "app")

                for command in ["nodes", "pools", "listeners", "routes"] {
                    #expect(try site.command.json([command]).keys == site.control.read("/v1/\(command)").keys)
                    #expect(try !site.command.succeed([command]).isEmpty)
                }
            }
        }

        @Test("/metrics has the promised names, in the Prometheus text form")
        func metrics() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                for _ in 0..<10 { _ = try Curl.get("http://127.0.0.1:\(port)/") }
                let response = try site.control.request("GET", "/metrics")
                #expect(response.status == 200)
                #expect(response.head["Content-Type"]?.hasPrefix("text/plain") == true)
                let lines = response.text.split(separator: "\n").map(String.init)
                for name in [
                    "sluice_requests_total{", "sluice_request_duration_seconds_bucket{", "sluice_connections{",
                    "sluice_bytes_total{", "sluice_endpoint_up{", "sluice_endpoint_requests_total{",
                    "sluice_forwarder_connections_total{", "sluice_revision{",
                ] { #expect(lines.contains { $0.hasPrefix(name) }, "no \(name)") }
                func sum(_ name: String, _ label: String) -> Double {
                    lines.filter { $0.hasPrefix(name + "{") && (label.isEmpty || $0.contains(label)) }
                        .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
                }
                #expect(
                    sum("sluice_requests_total", "code=\"200\"") == 10
                        || sum("sluice_requests_total", "code=\"2xx\"") == 10)
                #expect(sum("sluice_forwarder_connections_total", "path=\"hand_over\"") == 10)
                #expect(sum("sluice_request_duration_seconds_count", "") == 10)
                #expect(sum("sluice_endpoint_up", app.address) >= 1)
                // Every sample line is `name{labels} number`, and every name has its type.
                for line in lines where !line.hasPrefix("#") {
                    #expect(line.split(separator: " ").last.flatMap { Double($0) } != nil, "\(line)")
                    let name = line.prefix { $0 != "{" && $0 != " " }
                    let family =
                        ["_bucket", "_sum", "_count"].first { name.hasSuffix($0) }.map { name.dropLast($0.count) }
                        ?? name
                    #expect(
                        lines.contains { $0.hasPrefix("# TYPE \(family) ") || $0.hasPrefix("# TYPE \(name) ") },
                        "\(line)")
                }
            }
        }

        @Test("run --listen --to needs no file")
        func runWithoutFile() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                let site = try lab.site("", start: false)
                try site.start(arguments: ["--listen", ":\(port)", "--to", a.address, "--to", b.address])
                let names = try (0..<8).map { _ in try Curl.get("http://127.0.0.1:\(port)/").text }
                #expect(Set(names) == ["a", "b"])
                #expect(try site.terminate() == .exited(0))
            }
        }

        @Test("SLUICE_SOCKET stands in for --socket; the socket is not for everyone")
        func socket() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                let result = try Command.run(
                    [Binaries.sluice(), "status", "--json"], environment: ["SLUICE_SOCKET": site.socket])
                #expect(result.exitCode == 0, "\(result)")
                let attributes = try FileManager.default.attributesOfItem(atPath: site.socket)
                #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o660)
            }
        }

        @Test("the API says what it does not have")
        func unknownPaths() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.nginx("a"), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address]))
                let response = try site.control.request("GET", "/v1/nothing")
                #expect(response.status == 404)
                #expect(try site.control.request("GET", "/openapi.json").json()["openapi"] != nil)
            }
        }

        @Test("check accepts every file of deploy/examples")
        func examples() throws {
            let folder = Binaries.packageRoot + "/deploy/examples"
            let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
            #expect(!files.isEmpty)
            for file in files {
                let result = try sluice(["check", "\(folder)/\(file)"])
                #expect(result.exitCode == 0, "\(result)")
            }
        }

        private func sluice(_ arguments: [String]) throws -> CommandResult {
            try Command.run([Binaries.sluice()] + arguments)
        }

        private func expectNames(_ value: JSON, _ names: Set<String>, location: SourceLocation = #_sourceLocation) {
            let missing = names.subtracting(value.keys).sorted()
            #expect(missing.isEmpty, "missing: \(missing)", sourceLocation: location)
        }
    }
}
