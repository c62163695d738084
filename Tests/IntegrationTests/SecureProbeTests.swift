import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Health checks inside of TLS")
    struct SecureProbeTests {
        /// nginx with TLS; `/healthz` answers 200 and `well`.
        private final class Server {
            let address: String
            private let process: ChildProcess

            init(_ directory: TemporaryDirectory, certificate: String, clients: Bool = false) throws {
                let port = try Ports.unused()
                address = "127.0.0.1:\(port)"
                let verify = clients ? "ssl_verify_client on; ssl_client_certificate authority.pem;" : ""
                try directory.write(
                    """
                    daemon off; master_process off; pid nginx-\(port).pid; error_log stderr warn;
                    events {}
                    http {
                        access_log off;
                        client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                        uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                        server {
                            listen \(address) ssl;
                            ssl_certificate \(certificate).pem; ssl_certificate_key \(certificate).key; \(verify)
                            location / { return 200 "app"; }
                            location = /healthz { return 200 "well"; }
                        }
                    }
                    """, to: "nginx-\(port).conf")
                process = try ChildProcess([
                    "nginx", "-p", directory.path, "-c", directory.file("nginx-\(port).conf"),
                ])
                try Eventually.holds("nginx accepts") { [process] in
                    if let status = process.exitStatus {
                        throw Eventually.Hopeless("it ended with \(status): \(process.errorText)")
                    }
                    return try TCPSocket(connectingTo: port).close() == ()
                }
            }

            deinit { process.signal(SIGKILL) }
        }

        private func verdict(_ site: Site, _ address: String) throws -> JSON {
            try Eventually.value("a verdict on \(address)", every: .milliseconds(30)) {
                guard let shown = try site.control.endpoint("app", address) else { return nil }
                let votes = (shown["votes"]?["up"]?.integer ?? 0) + (shown["votes"]?["down"]?.integer ?? 0)
                return votes > 0 ? shown : nil
            }
        }

        private struct Case: CustomTestStringConvertible {
            var certificate = "api"
            var tls = "{ca: authority.pem, server_name: api.internal}"
            var clients = false
            var health = "{path: /healthz, expect_body: well}"
            /// nil: it passes.
            var reason: String?
            var testDescription: String { "\(certificate) \(tls) \(health)" }
        }

        private static let cases: [Case] = [
            Case(), Case(tls: "{ca: authority.pem}"), Case(tls: "{verify: none}"),
            Case(certificate: "expired", tls: "{verify: none}"),
            Case(
                tls: "{ca: authority.pem, server_name: other.internal}",
                reason: "TLS: its certificate: hostname mismatch"),
            Case(certificate: "expired", reason: "TLS: its certificate: certificate has expired"),
            Case(
                tls: "{server_name: api.internal}",
                reason: "TLS: its certificate: unable to get local issuer certificate"),
            Case(
                tls:
                    "{ca: authority.pem, server_name: api.internal, certificate: {chain: client.pem, key: client.key}}",
                clients: true),
            // nginx finishes the handshake and says it by HTTP.
            Case(clients: true, reason: "status 400"),
            Case(health: "{path: /healthz, expect_body: ill}", reason: "answer without the expected text"),
            // Connecting is enough, whatever the certificate.
            Case(certificate: "expired", health: "{tcp: true}"),
        ]

        @Test("what the pool's `tls` says of endpoints holds for their probes", arguments: cases)
        private func settings(_ probe: Case) throws {
            try Lab.run { lab in
                let site = try lab.site("", start: false)
                let authority = try TestAuthority(in: site.directory)
                let names = ["api.internal", "IP:127.0.0.1"]
                try authority.issue("api", for: names)
                try authority.issueExpired("expired", for: names)
                try authority.issue("client", for: [], subject: "/CN=node 1")
                let server = try Server(site.directory, certificate: probe.certificate, clients: probe.clients)
                defer { withExtendedLifetime(server) {} }
                let health = probe.health.dropLast() + ", interval: 200ms, timeout: 2s, fall: 1, rise: 1}"
                try site.rewrite(
                    SiteText.http(
                        try Ports.unused(), to: [server.address], nodes: 1, pool: "tls: \(probe.tls), health: \(health)"
                    ))
                try site.start()
                let verdict = try verdict(site, server.address)
                #expect(verdict["state"]?.text == (probe.reason == nil ? "up" : "down"), "\(verdict)")
                #expect(verdict["reason"]?.text == probe.reason, "\(verdict)")
            }
        }

        @Test("sessions are taken up again, so that a probe costs no whole handshake")
        func sessions() throws {
            try Lab.run { lab in
                let site = try lab.site("", start: false)
                try TestAuthority(in: site.directory).issue("api", for: ["api.internal"])
                let server = try Server(site.directory, certificate: "api")
                defer { withExtendedLifetime(server) {} }
                try site.rewrite(
                    SiteText.http(
                        try Ports.unused(), to: [server.address], nodes: 1,
                        pool:
                            "tls: {ca: authority.pem, server_name: api.internal}, health: {path: /healthz, interval: 100ms, timeout: 100ms}"
                    ))
                try site.start()
                try Eventually.holds("10 resumed handshakes", every: .milliseconds(50)) {
                    try site.metric("sluice_probe_handshakes_total", ["resumed": "true"]) >= 10
                }
                #expect(try site.metric("sluice_probe_handshakes_total", ["resumed": "false"]) == 1)
                #expect(try site.metric("sluice_probes_total", ["kind": "http", "result": "failed"]) == 0)
            }
        }

        @Test("endpoints that don't speak TLS, don't answer, or want a certificate in their own way")
        func handshakes() throws {
            try Lab.run { lab in
                let plain = try lab.nginx("plain")
                let silent = try lab.scripted("silent") { connection in
                    // Reads until the probe is given up.
                    while try connection.socket.receive(upTo: 4096).isEmpty == false {}
                }
                let site = try lab.site("", start: false)
                let authority = try TestAuthority(in: site.directory)
                try authority.issue("api", for: ["IP:127.0.0.1"])
                let port = try Ports.unused()
                let wanting = try ChildProcess([
                    "openssl", "s_server", "-www", "-accept", "127.0.0.1:\(port)", "-cert",
                    site.directory.file("api.pem"),
                    "-key", site.directory.file("api.key"), "-CAfile", authority.certificate, "-Verify", "1",
                    "-verify_return_error",
                ])
                defer { wanting.signal(SIGKILL) }
                try Eventually.holds("s_server accepts") { try TCPSocket(connectingTo: port).close() == () }
                let endpoints = [plain.address, silent.address, "127.0.0.1:\(port)"]
                try site.rewrite(
                    SiteText.http(
                        try Ports.unused(), to: endpoints, nodes: 1,
                        pool: "tls: {ca: authority.pem}, health: {path: /, interval: 300ms, timeout: 300ms, fall: 1}"))
                try site.start()
                for (address, reason) in zip(
                    endpoints,
                    ["TLS: wrong version number", "TLS: no answer in time", "TLS: tlsv13 alert certificate required"])
                {
                    let verdict = try verdict(site, address)
                    #expect(verdict["reason"]?.text == reason, "\(verdict)")
                }
            }
        }
    }
}
