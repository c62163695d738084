import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("TLS sessions, certificates of clients, changes of certificates")
    struct TLSSessionTests {
        private static let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

        @Test(
            "a session goes on at any node, and after the control plane has been started anew",
            arguments: ["tls1_2", "tls1_3"])
        func resumption(version: String) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, _) = try HTTPSTests.site(lab, port, to: [app.address], nodes: 3)
                let session = site.directory.file("session")
                func connect(_ arguments: [String]) throws -> CommandResult {
                    try HTTPSTests.handshake(port, ["-\(version)", "-ign_eof"] + arguments, input: Self.request)
                }
                #expect(try connect(["-sess_out", session]).text.contains("\nNew, "))
                for _ in 0..<12 {
                    let said = try connect(["-sess_in", session])
                    #expect(said.text.contains("\nReused, "), "\(said)")
                    #expect(said.text.contains("HTTP/1.1 200"))
                }
                #expect(try site.metric("sluice_tls_handshakes_total", ["resumed": "true"]) == 12)
                // Of three nodes, twelve connections by hash meet more than one.
                let figures = try site.control.request("GET", "/v1/nodes").text
                #expect(figures.contains("proxy-3"))
                site.signal(SIGKILL)
                _ = try site.controlPlane?.waitForExit(within: .seconds(5))
                for id in ["proxy-1", "proxy-2", "proxy-3"] {
                    let text = try String(contentsOfFile: "\(site.state)/nodes/\(id)/pid", encoding: .utf8)
                    if let pid = text.split(whereSeparator: \.isWhitespace).first.flatMap({ pid_t($0) }) {
                        kill(pid, SIGKILL)
                    }
                }
                try site.start()
                let said = try connect(["-sess_in", session])
                #expect(said.text.contains("\nReused, "), "\(said)")
            }
        }

        @Test("a session goes on only at the listener that it began at", arguments: ["tls1_2", "tls1_3"])
        func otherListener(version: String) throws {
            try Lab.run { lab in
                let (app, port, other) = (try lab.http("app"), try Ports.unused(), try Ports.unused())
                let (site, _) = try HTTPSTests.site(lab, port, to: [app.address])
                let listener = "{chain: shop.pem, key: shop.key}"
                let text = try String(contentsOfFile: site.file, encoding: .utf8)
                try site.rewrite(
                    text.replacing(
                        "listeners:\n",
                        with: "listeners:\n  other: {address: \"127.0.0.1:\(other)\", protocol: https, "
                            + "tls: {certificates: [\(listener)]}}\n"))
                try site.command.succeed(["apply", site.file])
                let session = site.directory.file("session")
                func connect(_ port: UInt16, _ arguments: [String]) throws -> CommandResult {
                    try HTTPSTests.handshake(port, ["-\(version)", "-ign_eof"] + arguments, input: Self.request)
                }
                #expect(try connect(port, ["-sess_out", session]).text.contains("\nNew, "))
                #expect(try connect(port, ["-sess_in", session]).text.contains("\nReused, "))
                let said = try connect(other, ["-sess_in", session])
                #expect(said.text.contains("\nNew, "), "\(said)")
                #expect(said.text.contains("HTTP/1.1 200"), "\(said)")
            }
        }

        @Test(
            "certificates of clients: asked for, verified, and passed on by a rule", arguments: ["request", "require"])
        func clientCertificates(mode: String) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, authority) = try HTTPSTests.site(
                    lab, port, to: [app.address], tls: "client_auth: {ca: authority.pem, mode: \(mode)}",
                    route: """
                        request: {set: {X-Client: "{tls_client_subject}", X-TLS: "{tls_version} {tls_cipher} {tls_server_name}"}}
                        """)
                try authority.issue("client", for: [], subject: "/O=Shop/CN=client 7\r\nX-Evil: 1")
                let other = try TestAuthority(in: TemporaryDirectory())
                try other.issue("client", for: [], subject: "/CN=stranger")
                func get(_ directory: TemporaryDirectory?, _ path: String) throws -> Curl.Response {
                    var arguments = [
                        "--cacert", authority.certificate, "--resolve", "shop.example:\(port):127.0.0.1",
                    ]
                    if let directory {
                        arguments += ["--cert", directory.file("client.pem"), "--key", directory.file("client.key")]
                    }
                    return try Curl.request(
                        "https://shop.example:\(port)/\(path)", fields: ["X-Client: CN=forged"], arguments: arguments)
                }
                let shown = try HTTPSTests.handshake(port, ["-showcerts"]).text
                #expect(shown.components(separatedBy: "BEGIN CERTIFICATE").count - 1 == 1, "the file's, without its CA")
                #expect(try get(site.directory, "known").status == 200)
                let known = try #require(app.requests(for: "/known").first).head
                #expect(known["X-Client"] == "CN=client 7\\0D\\0AX-Evil: 1,O=Shop")
                #expect(known["X-Evil"] == nil)
                #expect(known["X-TLS"]?.hasPrefix("1.3 TLS_") == true)
                #expect(known["X-TLS"]?.hasSuffix(" shop.example") == true)
                #expect(try get(other.directory, "stranger").status == 0)
                #expect(try get(nil, "nobody").status == (mode == "request" ? 200 : 0))
                if mode == "request" {
                    let nobody = try #require(app.requests(for: "/nobody").first).head
                    #expect(nobody.all("X-Client").allSatisfy { $0.isEmpty })
                }
                let refused = try site.metric("sluice_tls_handshake_failures_total", ["reason": "certificate"])
                // `-showcerts` has no certificate either.
                #expect(refused == (mode == "request" ? 1 : 3))
            }
        }

        @Test("an OCSP response goes to clients that ask for it; a key log gets what Wireshark needs")
        func statusAndKeyLog() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let site = try lab.site("", start: false)
                let authority = try TestAuthority(in: site.directory)
                for name in ["plain", "shop"] { try authority.issue(name, for: ["\(name).example"]) }
                try site.directory.write("", to: "index")
                func file(_ name: String) -> String { site.directory.file(name) }
                try Command.succeed([
                    "openssl", "ocsp", "-index", file("index"), "-rsigner", file("authority.pem"), "-rkey",
                    file("authority.key"), "-CA", file("authority.pem"), "-issuer", file("authority.pem"), "-cert",
                    file("shop.pem"), "-respout", file("shop.der"), "-ndays", "7", "-noverify",
                ])
                try site.rewrite(
                    """
                    proxy: {nodes: 1}
                    listeners:
                      secure:
                        address: "127.0.0.1:\(port)"
                        protocol: https
                        tls:
                          certificates: [{chain: plain.pem, key: plain.key}, {chain: shop.pem, key: shop.key, ocsp: shop.der}]
                          key_log: \(file("keys"))
                    routes: [{to: app}]
                    pools: {app: {endpoints: ["\(app.address)"]}}
                    """)
                try site.start()
                let asked = try HTTPSTests.handshake(port, ["-status", "-servername", "shop.example"]).text
                #expect(asked.contains("OCSP Response Status: successful"), "\(asked)")
                let other = try HTTPSTests.handshake(port, ["-status", "-servername", "plain.example"]).text
                #expect(other.contains("OCSP response: no response sent"), "\(other)")
                let silent = try HTTPSTests.handshake(port, ["-servername", "shop.example"]).text
                #expect(!silent.contains("OCSP Response Status"))
                let lines = try String(contentsOfFile: file("keys"), encoding: .utf8).split(separator: "\n")
                for label in ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"] {
                    #expect(lines.count { $0.hasPrefix(label + " ") } == 3)
                }
            }
        }

        @Test(
            "SIGHUP takes renewed certificate files over, also when the site file is the same; without a change it does nothing"
        )
        func renewedFiles() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, authority) = try HTTPSTests.site(lab, port, to: [app.address], nodes: 2)
                func certificate() throws -> String {
                    let said = try HTTPSTests.handshake(port, []).text
                    let lines = said.split(separator: "\n").drop { $0 != "-----BEGIN CERTIFICATE-----" }
                    try #require(!lines.isEmpty, "\(said)")
                    return lines.prefix { $0 != "-----END CERTIFICATE-----" }.joined()
                }
                let (revision, first) = (try site.control.revision(), try certificate())
                site.signal(SIGHUP)
                try Eventually.holds("the log says so") { site.log.contains("is unchanged: nothing to do") }
                #expect(try site.control.revision() == revision)
                try authority.issue("shop", for: ["shop.example"], days: 90)
                site.signal(SIGHUP)
                try Eventually.holds("the renewed certificate") { try certificate() != first }
                #expect(try site.control.revision() == revision + 1)
                // A key that is another certificate's is refused, and what is served stays.
                let renewed = try certificate()
                try authority.issue("other", for: ["other.example"])
                try Command.succeed(["cp", site.directory.file("other.key"), site.directory.file("shop.key")])
                site.signal(SIGHUP)
                try Eventually.holds("the diagnostics in the log") {
                    site.log.contains("is not the key of the certificate")
                }
                #expect(try site.control.revision() == revision + 1)
                #expect(try certificate() == renewed)
            }
        }

        @Test("apply takes changed certificates over; connections that are open go on")
        func changedCertificate() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, authority) = try HTTPSTests.site(lab, port, to: [app.address], nodes: 2)
                func subject() throws -> String {
                    let said = try HTTPSTests.handshake(port, []).text
                    return said.split(separator: "\n").first { $0.hasPrefix("subject=") }.map(String.init) ?? said
                }
                #expect(try subject() == "subject=CN = shop.example")
                let before = try site.metric("sluice_tls_certificate_expiry_seconds", ["certificate": "shop.pem"])
                // One connection that asks again and again, until a file is there.
                let script = """
                    import os, socket, ssl, sys
                    context = ssl._create_unverified_context()
                    s = context.wrap_socket(socket.create_connection(("127.0.0.1", \(port))))
                    while not os.path.exists(sys.argv[1]):
                        s.sendall(b"GET /held HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
                        answer = s.recv(65536)
                        if not answer.startswith(b"HTTP/1.1 200"): sys.exit("cut off: %r" % answer)
                    """
                let holder = try ChildProcess(["python3", "-c", script, site.directory.file("end")])
                defer { holder.signal(SIGKILL) }
                try Eventually.holds("the held connection is served") { !app.requests(for: "/held").isEmpty }
                try authority.issue("shop", for: ["renewed.example"], days: 90)
                try site.command.succeed(["apply", site.file])
                #expect(try subject() == "subject=CN = renewed.example")
                let after = try site.metric("sluice_tls_certificate_expiry_seconds", ["certificate": "shop.pem"])
                #expect(after > before + 50 * 86_400)
                let status = try site.control.request("GET", "/v1/status").text
                #expect(
                    status.contains("\"certificate\":\"shop.pem\"") || status.contains("\"certificate\" : \"shop.pem\"")
                )
                let count = app.requests(for: "/held").count
                try Eventually.holds("the held connection is still served") {
                    app.requests(for: "/held").count > count
                }
                try site.directory.write("", to: "end")
                #expect(try holder.waitForExit(within: .seconds(10)) == .exited(0))
                // A key that is another certificate's changes nothing.
                try authority.issue("other", for: ["other.example"])
                try Command.succeed(["cp", site.directory.file("other.key"), site.directory.file("shop.key")])
                let refused = try site.command.run(["apply", site.file])
                #expect(refused.exitCode == 1)
                #expect("\(refused)".contains("is not the key of the certificate"), "\(refused)")
                #expect(try subject() == "subject=CN = renewed.example")
            }
        }
    }
}
