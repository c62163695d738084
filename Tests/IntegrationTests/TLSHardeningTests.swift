import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// What scanners find at an `https` listener as it is without further keys, and what hostile clients can do there.
    @Suite("An https listener is hard by default")
    struct TLSHardeningTests {
        @Test("sslscan: TLS 1.2 and 1.3 only, forward secrecy and authenticated encryption only, no renegotiation")
        func sslscan() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                _ = try HTTPSTests.site(lab, port, to: [app.address]) { authority in
                    try authority.issue("shop-ec", for: ["shop.example"])
                    try authority.issue("shop-rsa", for: ["shop.example"], .rsa)
                    return ["shop-ec", "shop-rsa"]
                }
                let text = try Command.succeed([
                    "sslscan", "--no-colour", "--sni-name=shop.example", "127.0.0.1:\(port)",
                ])
                for line in [
                    "SSLv2     disabled", "SSLv3     disabled", "TLSv1.0   disabled", "TLSv1.1   disabled",
                    "TLSv1.2   enabled", "TLSv1.3   enabled", "Server supports TLS Fallback SCSV",
                    "Session renegotiation not supported", "TLSv1.2 not vulnerable to heartbleed",
                    "TLSv1.3 not vulnerable to heartbleed",
                ] { #expect(text.contains(line), "\(line)\n\(text)") }
                let ciphers = text.split(separator: "\n").filter {
                    $0.hasPrefix("Accepted") || $0.hasPrefix("Preferred")
                }
                let known: Set<String> = [
                    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
                    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305",
                    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305",
                ]
                #expect(ciphers.count == known.count, "\(text)")
                // Whatever a client puts first, but ChaCha20.
                let preferred = ciphers.filter { $0.hasPrefix("Preferred") }
                #expect(preferred.count == 2)
                #expect(preferred.contains { $0.contains("TLS_AES_128_GCM_SHA256") }, "\(text)")
                #expect(preferred.contains { $0.contains("ECDHE-ECDSA-AES128-GCM-SHA256") }, "\(text)")
                for (version, offer) in [
                    ("-tls1_3", ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"]),
                    ("-tls1_2", ["-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"]),
                ] {
                    let said = try HTTPSTests.handshake(port, ["-servername", "shop.example", version] + offer).text
                    #expect(said.contains("CHACHA20"), "\(said)")
                }
                #expect(
                    ciphers.allSatisfy { line in line.split(separator: " ").contains { known.contains(String($0)) } })
                let groups = text.split(separator: "\n").filter { $0.contains("secp") || $0.contains("x25519") }
                #expect(groups.count == 6, "\(text)")
            }
        }

        @Test("testssl.sh: nothing above low among protocols, ciphers, their order, forward secrecy and known attacks")
        func testssl() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, _) = try HTTPSTests.site(lab, port, to: [app.address], tls: "alpn: [h2, http/1.1]")
                let report = site.directory.file("testssl.json")
                // Certificates are the site's own affair; `scripts/tls-scan` looks at one as well.
                let said = try Command.run(
                    [
                        "testssl", "--quiet", "--warnings", "batch", "--color", "0", "--jsonfile", report,
                        "--protocols",
                        "--std", "--server-preference", "--pfs", "--vulnerable", "localhost:\(port)",
                    ], within: .seconds(180))
                struct Finding: Decodable {
                    var id: String
                    var severity: String
                    var finding: String
                }
                let findings = try JSONDecoder().decode(
                    [Finding].self, from: try Data(contentsOf: URL(fileURLWithPath: report)))
                let bad = findings.filter { ["MEDIUM", "HIGH", "CRITICAL", "FATAL"].contains($0.severity) }
                #expect(bad.isEmpty, "\(bad)\n\(said)")
                // The scan came to its end, and saw what it had to see.
                for id in ["TLS1_3", "TLS1_2", "cipherlist_STRONG", "heartbleed", "secure_client_renego", "LUCKY13"] {
                    #expect(findings.contains { $0.id == id && $0.severity == "OK" }, "\(id)\n\(said)")
                }
            }
        }

        @Test("a client that asks for another handshake on its connection is refused (RFC 9325 §3.5)")
        func renegotiation() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let (site, _) = try HTTPSTests.site(lab, port, to: [app.address])
                // A line with R alone is a command of s_client.
                let said = try HTTPSTests.handshake(port, ["-tls1_2"], input: "R\n")
                #expect("\(said)".contains("RENEGOTIATING") && "\(said)".contains("no renegotiation"), "\(said)")
                #expect(try site.metric("sluice_tls_handshakes_total") == 1)
                #expect(app.requests.isEmpty)
            }
        }

        /// Python's TLS opens connections that say a part of their hello, or all of it, and nothing after it. It prints how many
        /// the server has closed when the last one is.
        private func flood(_ lab: Lab, _ port: UInt16, count: Int, isWhole: Bool) throws -> ChildProcess {
            let script = """
                import resource, select, socket, ssl
                resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
                context = ssl._create_unverified_context()
                poll, open_sockets = select.poll(), {}
                for _ in range(\(count)):
                    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                    tls = context.wrap_bio(incoming, outgoing, server_hostname="shop.example")
                    try: tls.do_handshake()
                    except ssl.SSLWantReadError: pass
                    hello = outgoing.read()
                    s = socket.create_connection(("127.0.0.1", \(port)))
                    s.sendall(hello if \(isWhole ? "True" : "False") else hello[:len(hello) // 2])
                    poll.register(s, select.POLLIN)
                    open_sockets[s.fileno()] = s
                print("open", flush=True)
                closed = 0
                while open_sockets:
                    for number, _ in poll.poll():
                        try: rest = open_sockets[number].recv(65536)
                        except OSError: rest = b""
                        if rest: continue
                        poll.unregister(number)
                        open_sockets.pop(number).close()
                        closed += 1
                print("closed", closed, flush=True)
                """
            return try ChildProcess(["python3", "-c", script])
        }

        @Test(
            "clients that never end their handshake take a place each for a while, and others are served",
            arguments: [true, false])
        func floods(isWhole: Bool) throws {
            try Lab.run { lab in
                let (app, port, count) = (try lab.http("app"), try Ports.unused(), 1000)
                let (site, authority) = try HTTPSTests.site(
                    lab, port, to: [app.address],
                    top: "limits: {connections: 1500, timeout: {head: 3s}}")
                let flood = try flood(lab, port, count: count, isWhole: isWhole)
                defer { flood.signal(SIGKILL) }
                try Eventually.holds("all of them are connected", within: .seconds(20)) {
                    flood.outputText.contains("open\n")
                }
                // A handshake that waits holds a block of 64 KiB at most.
                #expect(try site.metric("sluice_node_buffers") <= Double(count))
                for _ in 0..<10 {
                    let response = try Curl.request(
                        "https://localhost:\(port)/", arguments: ["--cacert", authority.certificate],
                        within: .seconds(5))
                    #expect(response.status == 200, "\(response.errors)")
                }
                #expect(try site.metric("sluice_tls_handshakes_total") == 10)
                try Eventually.holds("all of them are closed", within: .seconds(20)) {
                    flood.outputText.contains("closed \(count)\n")
                }
                #expect(
                    try site.metric("sluice_tls_handshake_failures_total", ["reason": "timeout"]) == Double(count))
                #expect(try site.metric("sluice_node_buffers") == 0)
            }
        }
    }
}
