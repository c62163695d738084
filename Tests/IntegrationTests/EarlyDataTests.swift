import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// Clients are `openssl s_client`; between them and the site stands a gate that holds what the site says, so that a handshake
    /// stays incomplete as long as a test wants it to.
    @Suite("Requests in early data")
    struct EarlyDataTests {
        private static let last = "GET /last HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"

        private static func request(_ method: String, _ path: String, _ fields: [String] = [], body: String = "")
            -> String
        {
            let lines = ["\(method) \(path) HTTP/1.1", "Host: shop.example"] + fields
            return lines.joined(separator: "\r\n") + "\r\n\r\n" + body
        }

        /// Passes bytes on, those of the site only once the gate is open.
        private final class Gate {
            let port: UInt16
            private let directory: TemporaryDirectory
            private let process: ChildProcess
            private static let script = """
                import os, socket, sys, threading, time
                server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
                print("ready", flush=True)
                def pump(source, target, gate):
                    try:
                        while data := source.recv(65536):
                            while gate and not os.path.exists(gate): time.sleep(0.005)
                            target.sendall(data)
                        target.shutdown(socket.SHUT_WR)
                    except OSError: pass
                while True:
                    client, _ = server.accept()
                    site = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
                    threading.Thread(target=pump, args=(client, site, None), daemon=True).start()
                    threading.Thread(target=pump, args=(site, client, sys.argv[3]), daemon=True).start()
                """

            init(to site: UInt16) throws {
                port = try Ports.unused()
                directory = try TemporaryDirectory()
                process = try ChildProcess(["python3", "-c", Gate.script, "\(port)", "\(site)", directory.file("open")])
                try Eventually.holds("the gate") { [process] in process.outputText.contains("ready") }
            }

            func open() throws { try directory.write("", to: "open") }

            deinit { process.signal(SIGKILL) }
        }

        /// A client with a session of an earlier connection.
        private struct Client {
            let session: String
            let early: String
            let arguments: [String]

            /// - Parameter protocols: What ALPN offers.
            init(_ site: Site, _ port: UInt16, protocols: String = "http/1.1") throws {
                session = site.directory.file("session")
                early = site.directory.file("early")
                arguments = ["-tls1_3", "-ign_eof", "-alpn", protocols, "-servername", "shop.example"]
                let first = try Command.run(
                    ["openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-sess_out", session] + arguments,
                    input: Data((protocols == "h2" ? "" : EarlyDataTests.last).utf8), within: .seconds(20))
                guard FileManager.default.fileExists(atPath: session) else { throw TestKitError("\(first)") }
            }

            /// - Parameter rest: Sent once the handshake is complete.
            func connect(_ port: UInt16, early bytes: some Sequence<UInt8>, rest: String = EarlyDataTests.last) throws
                -> ChildProcess
            {
                try Data(Array(bytes)).write(to: URL(fileURLWithPath: early))
                return try ChildProcess(
                    ["openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-sess_in", session, "-early_data", early]
                        + arguments, input: Data(rest.utf8))
            }
        }

        /// Answers with the request's method and what it says of early data.
        private static func echo(_ lab: Lab) throws -> HTTPEndpoint {
            try lab.http("echo") { request in
                .response("<\(request.head.method) \(request.head.all("Early-Data").joined(separator: "+"))>")
            }
        }

        @Test("GET reaches the endpoint before the handshake is complete, and the endpoint is told")
        func get() throws {
            try Lab.run { lab in
                let (app, port) = (try Self.echo(lab), try Ports.unused())
                let (site, _) = try HTTPSTests.site(lab, port, to: [app.address], tls: "early_data: true")
                let (client, gate) = (try Client(site, port), try Gate(to: port))
                // A client's own word for it becomes ours.
                let early =
                    Self.request("GET", "/early", ["early-data: 0", "EARLY-DATA: 1"]) + Self.request("HEAD", "/second")
                let connection = try client.connect(gate.port, early: early.utf8)
                try Eventually.holds("both early requests at the endpoint") {
                    app.requests(for: "/early").count == 1 && app.requests(for: "/second").count == 1
                }
                #expect(connection.outputText.contains("<GET") == false)
                #expect(try site.metric("sluice_early_data_total", ["outcome": "served"]) == 2)
                #expect(try site.metric("sluice_tls_handshakes_total", ["resumed": "true"]) == 0)
                try gate.open()
                #expect(try connection.waitForExit(within: .seconds(20)) == .exited(0))
                let said = connection.outputText
                #expect(said.contains("Early data was accepted"), "\(said)")
                #expect(said.contains("<GET 1>") && said.contains("<GET >"), "\(said)")
                let heads = ["/early", "/second", "/last"].map { app.requests(for: $0).last?.head.all("Early-Data") }
                #expect(heads == [["1"], ["1"], []])
                #expect(try site.metric("sluice_tls_handshakes_total", ["resumed": "true"]) == 1)
            }
        }

        @Test(
            "what may change something, or has a body, or ends the connection, waits for the handshake",
            arguments: [
                ("POST", [], "", true), ("PUT", ["Content-Length: 3"], "abc", true), ("DELETE", [], "", true),
                ("GET", ["Content-Length: 3"], "abc", true), ("GET", ["Connection: close"], "", false),
                ("POST", ["Transfer-Encoding: chunked"], "3\r\nabc\r\n0\r\n\r\n", true),
            ] as [(String, [String], String, Bool)])
        func waits(method: String, fields: [String], body: String, persists: Bool) throws {
            try Lab.run { lab in
                let (app, port) = (try Self.echo(lab), try Ports.unused())
                let (site, _) = try HTTPSTests.site(lab, port, to: [app.address], tls: "early_data: true")
                let (client, gate) = (try Client(site, port), try Gate(to: port))
                let early = Self.request("GET", "/first") + Self.request(method, "/held", fields, body: body)
                let connection = try client.connect(gate.port, early: early.utf8, rest: persists ? Self.last : "")
                try Eventually.holds("the request in front at the endpoint") { app.requests(for: "/first").count == 1 }
                try Eventually.holds("the other to wait") {
                    try site.metric("sluice_early_data_total", ["outcome": "waited"]) == 1
                }
                #expect(app.requests(for: "/held").isEmpty)
                try gate.open()
                #expect(try connection.waitForExit(within: .seconds(20)) == .exited(0))
                let held = try #require(app.requests(for: "/held").first)
                #expect(held.head.method == method && held.head["Early-Data"] == nil)
                #expect(held.text == (body.isEmpty ? "" : "abc"))
                #expect(connection.outputText.contains("<\(method) >"), "\(connection.outputText)")
            }
        }

        @Test("an endpoint's 425 goes to the client; Early-Data of a client outside of early data is left alone")
        func tooEarly() throws {
            try Lab.run { lab in
                let app = try lab.http("careful") { request in
                    request.head["Early-Data"] == nil ? .response("done") : .response("", status: "425 Too Early")
                }
                let port = try Ports.unused()
                let (site, authority) = try HTTPSTests.site(lab, port, to: [app.address], tls: "early_data: true")
                let client = try Client(site, port)
                let connection = try client.connect(port, early: Self.request("GET", "/early").utf8)
                #expect(try connection.waitForExit(within: .seconds(20)) == .exited(0))
                #expect(connection.outputText.contains("HTTP/1.1 425 Too Early"), "\(connection.outputText)")
                #expect(connection.outputText.contains("done"))
                let own = try Curl.request(
                    "https://shop.example:\(port)/own", fields: ["Early-Data: 1"],
                    arguments: ["--cacert", authority.certificate, "--resolve", "shop.example:\(port):127.0.0.1"])
                #expect(own.status == 425)
                #expect(app.requests(for: "/own").first?.head.all("Early-Data") == ["1"])
            }
        }

        @Test("any node takes it; without `early_data` it is refused, and the request comes after the handshake")
        func nodes() throws {
            try Lab.run { lab in
                let (app, port) = (try Self.echo(lab), try Ports.unused())
                let (site, _) = try HTTPSTests.site(
                    lab, port, to: [app.address], tls: "early_data: true", nodes: 3)
                let client = try Client(site, port)
                for number in 0..<8 {
                    let connection = try client.connect(port, early: Self.request("GET", "/\(number)").utf8)
                    #expect(try connection.waitForExit(within: .seconds(20)) == .exited(0))
                    #expect(connection.outputText.contains("Early data was accepted"), "\(connection.outputText)")
                    #expect(connection.outputText.contains("<GET 1>"))
                }
                let text = try String(contentsOfFile: site.file, encoding: .utf8)
                try site.rewrite(text.replacingOccurrences(of: ", early_data: true", with: ""))
                try site.command.succeed(["apply", site.file])
                let connection = try client.connect(port, early: Self.request("GET", "/refused").utf8)
                #expect(try connection.waitForExit(within: .seconds(20)) == .exited(0))
                #expect(connection.outputText.contains("Early data was rejected"), "\(connection.outputText)")
                #expect(connection.outputText.contains("<GET >"))
                #expect(app.requests(for: "/refused").isEmpty && app.requests.last?.head["Early-Data"] == nil)
            }
        }

        @Test("by HTTP/2 as well: GET is served, POST waits for the handshake")
        func http2() throws {
            try Lab.run { lab in
                let (app, port) = (try Self.echo(lab), try Ports.unused())
                let (site, _) = try HTTPSTests.site(
                    lab, port, to: [app.address], tls: "early_data: true, alpn: h2",
                    top: "limits: {timeout: {idle: 2s}}")
                let (client, gate) = (try Client(site, port, protocols: "h2"), try Gate(to: port))
                func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt8, _ payload: [UInt8] = []) -> [UInt8] {
                    let head: [UInt8] = [0, 0, UInt8(payload.count), type, flags, 0, 0, 0, stream]
                    return head + payload
                }
                func head(_ method: String, _ path: String) -> [UInt8] {
                    var bytes: [UInt8] = []
                    let fields = [(":method", method), (":scheme", "https"), (":authority", "a"), (":path", path)]
                    for (name, value) in fields {
                        bytes += [0, UInt8(name.utf8.count)]
                        bytes += name.utf8
                        bytes.append(UInt8(value.utf8.count))
                        bytes += value.utf8
                    }
                    return bytes
                }
                var early: [UInt8] = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
                early += frame(4, 0, 0)
                early += frame(1, 4, 1, head("POST", "/post"))
                early += frame(1, 5, 3, head("GET", "/get"))
                early += frame(0, 1, 1, Array("abc".utf8))
                let connection = try client.connect(gate.port, early: early, rest: "")
                try Eventually.holds("the GET at the endpoint") { app.requests(for: "/get").count == 1 }
                #expect(app.requests(for: "/post").isEmpty)
                #expect(app.requests(for: "/get").first?.head.all("Early-Data") == ["1"])
                #expect(try site.metric("sluice_early_data_total", ["outcome": "waited"]) == 1)
                try gate.open()
                try Eventually.holds("the POST at the endpoint") { app.requests(for: "/post").first?.text == "abc" }
                #expect(app.requests(for: "/post").first?.head["Early-Data"] == nil)
                _ = try connection.waitForExit(within: .seconds(20))
                #expect(connection.outputText.contains("Early data was accepted"))
                #expect(connection.outputText.contains("<POST >") && connection.outputText.contains("<GET 1>"))
            }
        }

        @Test("more than 16 KiB of early data ends its connection, and nothing else")
        func bound() throws {
            try Lab.run { lab in
                let (app, port) = (try Self.echo(lab), try Ports.unused())
                let (site, _) = try HTTPSTests.site(lab, port, to: [app.address], tls: "early_data: true")
                let (client, gate) = (try Client(site, port), try Gate(to: port))
                // A POST that waits, and as much of its body as there may be.
                let head = Self.request("POST", "/held", ["Content-Length: 15000"])
                let connection = try client.connect(
                    gate.port, early: Array(head.utf8) + [UInt8](repeating: 97, count: 15_000))
                try Eventually.holds("the request to wait") {
                    try site.metric("sluice_early_data_total", ["outcome": "waited"]) == 1
                }
                try gate.open()
                #expect(try connection.waitForExit(within: .seconds(20)) == .exited(0))
                #expect(app.requests(for: "/held").first?.body.count == 15_000)
                // The client knows the bound: it stops there itself.
                let beyond = try client.connect(port, early: [UInt8](repeating: 97, count: 17_000))
                _ = try beyond.waitForExit(within: .seconds(20))
                let after = try client.connect(port, early: Self.request("GET", "/after").utf8)
                #expect(try after.waitForExit(within: .seconds(20)) == .exited(0))
                #expect(after.outputText.contains("<GET 1>"), "\(after.outputText)")
            }
        }
    }
}
