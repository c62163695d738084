import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("TLS to endpoints")
    struct EndpointTLSTests {
        /// `openssl s_server`, which tells each request about the handshake that it came by.
        private final class Server {
            let port: UInt16
            private let process: ChildProcess

            init(_ authority: TestAuthority, certificate: String, arguments: [String] = []) throws {
                port = try Ports.unused()
                process = try ChildProcess(
                    [
                        "openssl", "s_server", "-www", "-accept", "127.0.0.1:\(port)", "-cert",
                        authority.directory.file("\(certificate).pem"), "-key",
                        authority.directory.file("\(certificate).key"), "-CAfile", authority.certificate,
                    ] + arguments)
                try Eventually.holds("s_server accepts") { try TCPSocket(connectingTo: port).close() == () }
            }

            deinit { process.signal(SIGKILL) }
        }

        /// A site in front of one `s_server`, whose certificate names `api.internal` and 127.0.0.1.
        private func site(
            _ lab: Lab, _ port: UInt16, tls: String, server arguments: [String] = []
        ) throws -> (Site, Server) {
            let site = try lab.site("", start: false)
            let authority = try TestAuthority(in: site.directory)
            try authority.issue("api", for: ["api.internal", "IP:127.0.0.1"])
            try authority.issue("client", for: [], subject: "/O=Shop/CN=node 1")
            let server = try Server(authority, certificate: "api", arguments: arguments)
            try site.rewrite(
                SiteText.http(port, to: ["127.0.0.1:\(server.port)"], nodes: 1, pool: "tls: \(tls)"))
            try site.start()
            return (site, server)
        }

        @Test(
            "the certificate is verified by authority and name",
            arguments: [
                ("{ca: authority.pem, server_name: api.internal}", true),
                ("{ca: authority.pem, server_name: API.internal}", true), ("{ca: authority.pem}", true),
                ("{verify: none}", true), ("{ca: authority.pem, server_name: other.internal}", false),
                ("{server_name: api.internal}", false), ("{}", false), ("{ca: client.pem}", false),
            ])
        func verification(tls: String, isGood: Bool) throws {
            try Lab.run { lab in
                let port = try Ports.unused()
                let (site, server) = try site(lab, port, tls: tls)
                defer { withExtendedLifetime(server) {} }
                let response = try Curl.get("http://127.0.0.1:\(port)/")
                #expect(response.status == (isGood ? 200 : 502), "\(response.text)")
                let failures = try site.metric("sluice_endpoint_tls_failures_total", ["pool": "app"])
                #expect((failures == 0) == isGood)
                #expect(site.log.contains("failed: its certificate: ") == !isGood)
            }
        }

        @Test("the name is asked for, sessions are taken up again, and the client's certificate is shown")
        func sessions() throws {
            try Lab.run { lab in
                let port = try Ports.unused()
                let (site, server) = try site(
                    lab, port,
                    tls:
                        "{ca: authority.pem, server_name: api.internal, certificate: {chain: client.pem, key: client.key}}",
                    server: ["-Verify", "1"])
                defer { withExtendedLifetime(server) {} }
                let first = try Curl.get("http://127.0.0.1:\(port)/").text
                #expect(first.contains("New, TLSv1.3"), "\(first)")
                #expect(first.contains("node 1"), "\(first)")
                let second = try Curl.get("http://127.0.0.1:\(port)/").text
                #expect(second.contains("Reused, TLSv1.3"), "\(second)")
                #expect(try site.metric("sluice_endpoint_tls_failures_total") == 0)
            }
        }

        @Test("an endpoint that wants a certificate and gets none ends the handshake: 502")
        func missingCertificate() throws {
            try Lab.run { lab in
                let port = try Ports.unused()
                let (_, server) = try site(
                    lab, port, tls: "{ca: authority.pem}", server: ["-Verify", "1", "-verify_return_error", "-tls1_2"])
                defer { withExtendedLifetime(server) {} }
                #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 502)
            }
        }

        @Test("one connection serves many requests, and bodies arrive whole, with TLS on both sides")
        func bothSides() throws {
            try Lab.run { lab in
                let (plain, secure) = (try Ports.unused(), try Ports.unused())
                let (nginx, digest) = (try lab.nginx("big"), try lab.digest())
                let big = try BigFile(mebibytes: 20, at: nginx.file("big.bin"))
                let site = try lab.site("", start: false)
                let authority = try TestAuthority(in: site.directory)
                try authority.issue("inner", for: ["localhost", "inner.test"])
                try site.rewrite(
                    """
                    proxy: {nodes: 1}
                    listeners:
                      outer: {address: "127.0.0.1:\(plain)"}
                      inner:
                        address: "127.0.0.1:\(secure)"
                        protocol: https
                        tls: {certificates: [{chain: inner.pem, key: inner.key}]}
                    routes:
                      - {listeners: [outer], to: loop}
                      - {match: {method: PUT}, to: digest}
                      - {to: big}
                    pools:
                      loop: {endpoints: ["127.0.0.1:\(secure)"], tls: {ca: authority.pem, server_name: inner.test}}
                      big: {endpoints: ["\(nginx.address)"]}
                      digest: {endpoints: ["\(digest.address)"]}
                    """)
                try site.start()
                for _ in 0..<10 { #expect(try Curl.get("http://127.0.0.1:\(plain)/").text == "big") }
                #expect(try site.metric("sluice_tls_handshakes_total") == 1)
                let url = "http://127.0.0.1:\(plain)"
                #expect(try BigFile.download("\(url)/files/big.bin") == big.digest)
                #expect(try BigFile.download("--limit-rate 8M \(url)/files/big.bin") == big.digest)
                for chunked in [false, true] {
                    #expect(try BigFile.upload(big, to: "\(url)/up", chunked: chunked) == big.digest)
                }
                let handshakes = try site.metric("sluice_tls_handshakes_total")
                #expect(try site.metric("sluice_tls_handshakes_total", ["resumed": "true"]) == handshakes - 1)
            }
        }

        @Test("an answer that ends without close_notify is cut, not complete")
        func truncation() throws {
            try Lab.run { lab in
                let (port, endpoint) = (try Ports.unused(), try Ports.unused())
                let site = try lab.site("", start: false)
                let authority = try TestAuthority(in: site.directory)
                try authority.issue("api", for: ["IP:127.0.0.1"])
                // Answers with a body that ends with the connection: with close_notify on /whole, without on /cut.
                let script = """
                    import socket, ssl, sys
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(sys.argv[1], sys.argv[2])
                    server = socket.create_server(("127.0.0.1", \(endpoint)))
                    while True:
                        raw, _ = server.accept()
                        try:
                            s = context.wrap_socket(raw, server_side=True)
                            target = s.recv(65536).split()[1]
                            s.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\nbody")
                            if target == b"/whole": s.unwrap()
                        except (OSError, IndexError): pass
                        finally:
                            try: s.close()
                            except NameError: raw.close()
                    """
                let server = try ChildProcess([
                    "python3", "-c", script, site.directory.file("api.pem"), site.directory.file("api.key"),
                ])
                defer { server.signal(SIGKILL) }
                try Eventually.holds("the endpoint accepts") { try TCPSocket(connectingTo: endpoint).close() == () }
                try site.rewrite(
                    SiteText.http(port, to: ["127.0.0.1:\(endpoint)"], nodes: 1, pool: "tls: {ca: authority.pem}"))
                try site.start()
                let whole = try Curl.request("http://127.0.0.1:\(port)/whole")
                #expect(whole.exitCode == 0 && whole.text == "body", "\(whole.errors)")
                let cut = try Curl.request("http://127.0.0.1:\(port)/cut")
                #expect(cut.exitCode != 0, "\(cut.text)")
            }
        }
    }
}
