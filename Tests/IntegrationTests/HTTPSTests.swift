import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("https listeners")
    struct HTTPSTests {
        /// A site with one https listener, whose certificates lie beside its file.
        static func site(
            _ lab: Lab, _ port: UInt16, to endpoints: [String], tls: String = "", nodes: Int = 1, top: String = "",
            route: String = "",
            certificates: (TestAuthority) throws -> [String] = { authority in
                try authority.issue("shop", for: ["shop.example", "localhost"])
                return ["shop"]
            }
        ) throws -> (site: Site, authority: TestAuthority) {
            let site = try lab.site("", start: false)
            let authority = try TestAuthority(in: site.directory)
            let names = try certificates(authority)
            let list = names.map { "{chain: \($0).pem, key: \($0).key}" }.joined(separator: ", ")
            try site.rewrite(
                """
                site: test
                proxy: {nodes: \(nodes)}
                \(top)
                listeners:
                  secure:
                    address: "127.0.0.1:\(port)"
                    protocol: https
                    tls: {certificates: [\(list)]\(tls.isEmpty ? "" : ", " + tls)}
                routes: [{to: app\(route.isEmpty ? "" : ", " + route)}]
                pools: {app: {endpoints: [\(SiteText.quoted(endpoints))]}}
                """)
            try site.start()
            return (site, authority)
        }

        /// What `openssl s_client` says of a handshake.
        static func handshake(_ port: UInt16, _ arguments: [String], input: String = "") throws -> CommandResult {
            try Command.run(
                ["openssl", "s_client", "-connect", "127.0.0.1:\(port)"] + arguments, input: Data(input.utf8))
        }

        @Test(
            "curl verifies the certificate and gets the answer; the endpoint learns that it was https",
            arguments: ["1.2", "1.3"])
        func request(version: String) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, authority) = try HTTPSTests.site(
                    lab, port, to: [app.address], top: "trust: {forwarded: true}",
                    route: "request: {set: {X-Scheme: \"{scheme}\"}}")
                let response = try Curl.request(
                    "https://shop.example:\(port)/a", fields: ["X-Forwarded-Proto: gopher"],
                    arguments: [
                        "--cacert", authority.certificate, "--resolve", "shop.example:\(port):127.0.0.1",
                        "--tlsv\(version)", "--tls-max", version,
                    ])
                #expect(response.status == 200, "\(response.errors)")
                let head = try #require(app.requests(for: "/a").first).head
                #expect(head["X-Forwarded-Proto"] == "https")
                #expect(head["X-Scheme"] == "https")
                #expect(head["Forwarded"]?.contains("proto=https") == true)
                #expect(try site.metric("sluice_tls_handshakes_total", ["version": version, "resumed": "false"]) == 1)
                #expect(try site.metric("sluice_tls_handshakes_total") == 1)
            }
        }

        @Test("HTTP/2 by ALPN, where the site offers it; the endpoint learns the same of the request")
        func http2() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, authority) = try HTTPSTests.site(
                    lab, port, to: [app.address], tls: "alpn: [h2, http/1.1]",
                    route: "request: {set: {X-TLS: \"{scheme} {tls_version}\"}}")
                func get(_ option: String) throws -> Curl.Response {
                    try Curl.request(
                        "https://localhost:\(port)/\(option)",
                        arguments: ["--cacert", authority.certificate, "--\(option)"])
                }
                for option in ["http2", "http1.1"] {
                    let response = try get(option)
                    #expect(response.exitCode == 0, "\(response.errors)")
                    #expect(response.head.startLine.hasPrefix(option == "http2" ? "HTTP/2 200" : "HTTP/1.1 200"))
                    let head = try #require(app.requests(for: "/\(option)").first).head
                    #expect(head["X-Forwarded-Proto"] == "https")
                    #expect(head["X-TLS"] == "https 1.3")
                }
                let body = Data(repeating: 0x61, count: 300_000)
                let upload = try Curl.request(
                    "https://localhost:\(port)/up", body: body,
                    arguments: ["--cacert", authority.certificate, "--http2"])
                #expect(upload.status == 200 || upload.head.startLine.contains(" 200"), "\(upload.errors)")
                #expect(app.requests(for: "/up").first?.body == body)
                #expect(try site.metric("sluice_tls_handshakes_total") == 3)
            }
        }

        @Test("one connection carries many requests, pipelined or with bodies, and one handshake")
        func keepAlive() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, authority) = try HTTPSTests.site(lab, port, to: [app.address])
                let one = "GET /p HTTP/1.1\r\nHost: a\r\n\r\n"
                let last = "POST /q HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
                let said = try HTTPSTests.handshake(
                    port, ["-quiet", "-CAfile", authority.certificate], input: one + one + one + last)
                #expect(said.text.ranges(of: "HTTP/1.1 200 OK").count == 4, "\(said)")
                #expect(app.requests(for: "/p").count == 3)
                #expect(app.requests(for: "/q").map { String(decoding: $0.body, as: UTF8.self) } == ["hello"])
                #expect(try site.metric("sluice_tls_handshakes_total") == 1)
            }
        }

        @Test("large bodies arrive whole both ways")
        func largeBodies() throws {
            try Lab.run { lab in
                let port = try Ports.unused()
                let (nginx, digest) = (try lab.nginx("big"), try lab.digest())
                let big = try BigFile(mebibytes: 20, at: nginx.file("big.bin"))
                let site = try lab.site("", start: false)
                let authority = try TestAuthority(in: site.directory)
                try authority.issue("shop", for: ["localhost"])
                try site.rewrite(
                    """
                    listeners:
                      secure:
                        address: "127.0.0.1:\(port)"
                        protocol: https
                        tls: {certificates: [{chain: shop.pem, key: shop.key}]}
                    routes:
                      - {match: {method: PUT}, to: digest}
                      - {to: big}
                    pools:
                      big: {endpoints: ["\(nginx.address)"]}
                      digest: {endpoints: ["\(digest.address)"]}
                    """)
                try site.start()
                let url = "--cacert \(authority.certificate) https://localhost:\(port)"
                #expect(try BigFile.download("\(url)/files/big.bin") == big.digest)
                #expect(try BigFile.download("--limit-rate 8M \(url)/files/big.bin") == big.digest)
                for chunked in [false, true] {
                    #expect(try BigFile.upload(big, to: "\(url)/up", chunked: chunked) == big.digest)
                }
            }
        }

        @Test("a client gets the certificate of the name that it asks for, of the kind that it verifies")
        func serverNames() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (_, _) = try HTTPSTests.site(lab, port, to: [app.address]) { authority in
                    try authority.issue("first", for: ["first.example"])
                    try authority.issue("shop-rsa", for: ["shop.example"], .rsa)
                    try authority.issue("shop-ec", for: ["shop.example"])
                    try authority.issue("wild", for: ["*.shop.example"])
                    return ["first", "shop-rsa", "shop-ec", "wild"]
                }
                func certificate(_ arguments: [String]) throws -> (subject: String, key: String) {
                    let said = try HTTPSTests.handshake(port, arguments).text
                    let subject = said.split(separator: "\n").first { $0.hasPrefix("subject=") } ?? ""
                    return (String(subject.dropFirst(8)), said.contains("Server public key is 2048 bit") ? "rsa" : "ec")
                }
                #expect(try certificate(["-noservername"]).subject == "CN = first.example")
                #expect(try certificate(["-servername", "unknown.example"]).subject == "CN = first.example")
                #expect(try certificate(["-servername", "SHOP.example"]) == ("CN = shop.example", "ec"))
                #expect(
                    try certificate(["-servername", "shop.example", "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"])
                        == ("CN = shop.example", "rsa"))
                #expect(
                    try certificate([
                        "-servername", "shop.example", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256",
                    ])
                        == ("CN = shop.example", "rsa"))
                #expect(try certificate(["-servername", "a.shop.example"]).subject == "CN = *.shop.example")
                #expect(try certificate(["-servername", "a.b.shop.example"]).subject == "CN = first.example")
            }
        }

        @Test("what isn't spoken is refused with an alert, and counted")
        func refusals() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, _) = try HTTPSTests.site(lab, port, to: [app.address], tls: "minimum: \"1.3\"")
                func failures(_ reason: String) throws -> Double {
                    try site.metric("sluice_tls_handshake_failures_total", ["reason": reason])
                }
                let old = try HTTPSTests.handshake(port, ["-tls1_2"])
                #expect("\(old)".contains("alert protocol version"), "\(old)")
                #expect(try failures("no-common-parameters") == 1)
                let other = try HTTPSTests.handshake(port, ["-alpn", "smtp"])
                #expect("\(other)".contains("no application protocol"), "\(other)")
                #expect(try failures("no-common-parameters") == 2)
                let chosen = try HTTPSTests.handshake(port, ["-alpn", "smtp,http/1.1"])
                #expect(chosen.text.contains("ALPN protocol: http/1.1"), "\(chosen)")
                let plain = try Curl.request("http://127.0.0.1:\(port)/")
                #expect(plain.status == 0)
                #expect(try failures("malformed") == 1)
                let untrusting = try Curl.request("https://localhost:\(port)/")
                #expect(untrusting.exitCode == 60)
                try Eventually.holds("the client's refusal is counted") {
                    try site.metric("sluice_tls_handshake_failures_total") == 4
                }
                #expect(app.requests.isEmpty)
            }
        }

        @Test("connections that are relayed with a PROXY header in front speak TLS, too")
        func relayed() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, authority) = try HTTPSTests.site(
                    lab, port, to: [app.address], top: "forwarder: {hand_over: never}")
                // From another address than the forwarder's, which the node sees as its peer.
                for _ in 0..<10 {
                    let response = try Curl.request(
                        "https://localhost:\(port)/r",
                        arguments: ["--cacert", authority.certificate, "--ipv4", "--interface", "127.0.0.9"])
                    #expect(response.status == 200, "\(response.errors)")
                }
                #expect(
                    app.requests(for: "/r").map { $0.head["X-Real-IP"] } == [String?](repeating: "127.0.0.9", count: 10)
                )
                #expect(try site.metric("sluice_forwarder_connections_total", ["path": "relay"]) == 10)
                #expect(try site.metric("sluice_tls_handshakes_total") == 10)
            }
        }

        @Test("a connection that says nothing is closed when the head's time is over")
        func silentClient() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, _) = try HTTPSTests.site(
                    lab, port, to: [app.address], top: "limits: {timeout: {head: 300ms}}")
                let socket = try TCPSocket(connectingTo: port)
                // The beginning of a ClientHello: a record header that promises more.
                try socket.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
                #expect(try socket.receiveToEnd().isEmpty)
                #expect(try site.metric("sluice_tls_handshake_failures_total", ["reason": "timeout"]) == 1)
            }
        }

        @Test("a client that ends its side within the handshake isn't waited for", arguments: [6, 60, 10_000])
        func endWithinHandshake(bytes: Int) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, _) = try HTTPSTests.site(lab, port, to: [app.address])
                // So many bytes of a ClientHello or all of it, with FIN at once; of all of it also when it has been answered.
                let script = """
                    import socket, ssl
                    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
                    t = ssl._create_unverified_context().wrap_bio(received, sent)
                    try: t.do_handshake()
                    except ssl.SSLWantReadError: pass
                    hello = sent.read()[:\(bytes)]
                    for waits in (False, \(bytes > 1000 ? "True" : "False")):
                        s = socket.create_connection(("127.0.0.1", \(port)), timeout=5)
                        s.sendall(hello)
                        if waits and not s.recv(65536): raise SystemExit("no answer to a hello")
                        s.shutdown(socket.SHUT_WR)
                        while s.recv(65536): pass
                    """
                try Command.succeed(["python3", "-c", script])
                #expect(try site.metric("sluice_tls_handshake_failures_total", ["reason": "timeout"]) == 0)
            }
        }

        @Test("an answer that ends with the connection ends with close_notify; one that is cut doesn't")
        func ends() throws {
            try Lab.run { lab in
                let app = try lab.http("app") { request in
                    request.head.target == "/cut"
                        ? .raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun", closes: true)
                        : .raw("HTTP/1.1 200 OK\r\n\r\nuntil the end", closes: true)
                }
                let port = try Ports.unused()
                _ = try HTTPSTests.site(lab, port, to: [app.address])
                // Python's ssl tells close_notify from a bare FIN or RST.
                let script = """
                    import socket, ssl, sys
                    context = ssl._create_unverified_context()
                    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
                    s = context.wrap_socket(socket.create_connection(("127.0.0.1", \(port))), suppress_ragged_eofs=False)
                    s.sendall(b"GET %s HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n" % sys.argv[1].encode())
                    text = b""
                    try:
                        while True:
                            part = s.recv(4096)
                            if not part: break
                            text += part
                        print("closed", text.split(b"\\r\\n\\r\\n")[1])
                    except (OSError, ssl.SSLError) as error: print("cut", type(error).__name__)
                    """
                let whole = try Command.succeed(["python3", "-c", script, "/whole"])
                #expect(whole.contains("closed b'until the end'"), "\(whole)")
                let cut = try Command.succeed(["python3", "-c", script, "/cut"])
                #expect(cut.hasPrefix("cut"), "\(cut)")
            }
        }
    }
}
