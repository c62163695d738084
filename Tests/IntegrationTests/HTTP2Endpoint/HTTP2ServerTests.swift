import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// Endpoints are nginx and nghttpd; clients h2load, curl and the Python library `websockets`.
    @Suite("Servers that speak HTTP/2")
    struct HTTP2ServerTests {
        /// nginx that ends each connection with GOAWAY after so many requests.
        private func nginx(requestsPerConnection: Int, tls: TestAuthority? = nil, speaksHTTP2: Bool = true) throws
            -> (UInt16, ChildProcess, TemporaryDirectory)
        {
            let (port, directory) = (try Ports.unused(), try TemporaryDirectory())
            var certificate = ""
            if let tls {
                try tls.issue("server-\(port)", for: ["server.test"])
                let base = tls.directory.file("server-\(port)")
                certificate = "ssl_certificate \(base).pem; ssl_certificate_key \(base).key;"
            }
            let listen = "\(port)\(tls == nil ? "" : " ssl")\(speaksHTTP2 ? " http2" : "") backlog=4096"
            try directory.write(
                """
                daemon off;
                master_process off;
                pid \(directory.path)/nginx.pid;
                error_log stderr warn;
                events { worker_connections 4096; }
                http {
                    access_log off;
                    client_body_temp_path \(directory.path)/body;
                    proxy_temp_path \(directory.path)/proxy;
                    fastcgi_temp_path \(directory.path)/fastcgi;
                    uwsgi_temp_path \(directory.path)/uwsgi;
                    scgi_temp_path \(directory.path)/scgi;
                    keepalive_requests \(requestsPerConnection);
                    server {
                        listen 127.0.0.1:\(listen);
                        \(certificate)
                        location / { return 200 "$server_protocol"; }
                    }
                }
                """, to: "nginx.conf")
            let process = try ChildProcess(["nginx", "-p", directory.path, "-c", directory.file("nginx.conf")])
            try Eventually.holds("nginx on \(port)", within: .seconds(10)) {
                if let status = process.exitStatus { throw Eventually.Hopeless("\(status): \(process.errorText)") }
                return FileManager.default.fileExists(atPath: directory.file("nginx.pid"))
            }
            return (port, process, directory)
        }

        @Test("under load no request fails while the endpoint ends its connections by GOAWAY", arguments: ["", "--h1"])
        func goAways(client: String) throws {
            try Lab.run { lab in
                let (endpoint, process, directory) = try nginx(requestsPerConnection: 100)
                defer { withExtendedLifetime(directory) { process.signal(SIGKILL) } }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: ["127.0.0.1:\(endpoint)"], nodes: 1, pool: "protocol: http2"))
                let options = client.isEmpty ? ["-m", "10"] : [client]
                let text = try Command.succeed(
                    ["h2load", "-n", "20000", "-c", "16"] + options + ["http://127.0.0.1:\(port)/"],
                    within: .seconds(60))
                #expect(text.contains("20000 succeeded, 0 failed"), "\(text)")
                #expect(text.contains("20000 2xx"), "\(text)")
                #expect(try site.metric("sluice_http2_goaways_total") >= 150)
            }
        }

        @Test("inside of TLS `auto` speaks what the endpoint chooses, and `http2` insists")
        func negotiation() throws {
            try Lab.run { lab in
                let directory = try TemporaryDirectory()
                let authority = try TestAuthority(in: directory)
                let (both, first, one) = try nginx(requestsPerConnection: 1000, tls: authority)
                let (old, second, two) = try nginx(requestsPerConnection: 1000, tls: authority, speaksHTTP2: false)
                defer {
                    withExtendedLifetime((one, two)) { for process in [first, second] { process.signal(SIGKILL) } }
                }
                let port = try Ports.unused()
                let tls = "tls: {ca: \"\(authority.certificate)\", server_name: server.test}"
                let site = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners: {web: {address: "127.0.0.1:\(port)"}}
                    routes:
                      - {to: auto-new, match: {path: {prefix: /auto-new}}}
                      - {to: auto-old, match: {path: {prefix: /auto-old}}}
                      - {to: strict-new, match: {path: {prefix: /strict-new}}}
                      - {to: strict-old, match: {path: {prefix: /strict-old}}}
                      - {to: strict-new, match: {path: {prefix: /copied}}, mirror: {pool: old}}
                    pools:
                      old: {endpoints: ["127.0.0.1:\(old)"], \(tls)}
                      auto-new: {endpoints: ["127.0.0.1:\(both)"], protocol: auto, \(tls)}
                      auto-old: {endpoints: ["127.0.0.1:\(old)"], protocol: auto, \(tls)}
                      strict-new: {endpoints: ["127.0.0.1:\(both)"], protocol: http2, \(tls)}
                      strict-old: {endpoints: ["127.0.0.1:\(old)"], protocol: http2, \(tls)}
                    """)
                let url = "http://127.0.0.1:\(port)"
                for _ in 0..<3 {
                    #expect(try Curl.get("\(url)/auto-new").text == "HTTP/2.0")
                    #expect(try Curl.get("\(url)/auto-old").text == "HTTP/1.1")
                    #expect(try Curl.get("\(url)/strict-new").text == "HTTP/2.0")
                }
                for count in 1...2 {
                    #expect(try Curl.get("\(url)/copied").text == "HTTP/2.0")
                    try Eventually.holds("a copy goes by HTTP/1.1 inside of TLS") {
                        try site.metric("sluice_mirror_requests_total", ["pool": "old", "outcome": "answered"])
                            == Double(count)
                    }
                }
                #expect(try Curl.get("\(url)/strict-old").status == 502)
                // Servers that know no other protocol than HTTP/1.1 refuse the handshake (RFC 7301 §3.2), or choose nothing.
                let reasons = ["doesn't choose h2 by ALPN", "of pool strict-old failed: alert"]
                #expect(reasons.contains { site.log.contains($0) }, "\(site.log)")
                for path in ["auto-new", "auto-old", "strict-new"] {
                    let text = try Command.succeed(
                        ["h2load", "-n", "3000", "-c", "8", "-m", "8", "\(url)/\(path)"], within: .seconds(60))
                    #expect(text.contains("3000 succeeded, 0 failed") && text.contains("3000 2xx"), "\(path): \(text)")
                }
                #expect(try site.metric("sluice_endpoint_connections", ["pool": "auto-old"]) >= 1)
            }
        }

        @Test("large files of nghttpd arrive whole, in the clear and inside of TLS")
        func nghttpd() throws {
            try Lab.run { lab in
                let directory = try TemporaryDirectory()
                let authority = try TestAuthority(in: directory)
                try authority.issue("nghttpd", for: ["server.test"])
                try directory.write(Data((0..<3_000_000).map { UInt8($0 % 251) }), to: "www/large")
                let expected = try Data(contentsOf: URL(fileURLWithPath: directory.file("www/large")))
                let (plain, secure, port) = (try Ports.unused(), try Ports.unused(), try Ports.unused())
                let root = ["-d", directory.file("www")]
                let processes = [
                    try ChildProcess(["nghttpd", "--no-tls"] + root + ["\(plain)"]),
                    try ChildProcess(
                        ["nghttpd"] + root + [
                            "\(secure)", directory.file("nghttpd.key"), directory.file("nghttpd.pem"),
                        ]),
                ]
                defer { for process in processes { process.signal(SIGKILL) } }
                _ = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners: {web: {address: "127.0.0.1:\(port)"}}
                    routes:
                      - {to: secure, match: {header: {X-Secure: "1"}}}
                      - {to: plain}
                    pools:
                      plain: {endpoints: ["127.0.0.1:\(plain)"], protocol: http2}
                      secure:
                        endpoints: ["127.0.0.1:\(secure)"]
                        protocol: http2
                        tls: {ca: "\(authority.certificate)", server_name: server.test}
                    """)
                for fields in [[], ["X-Secure: 1"]] {
                    for version in HTTP2EndpointTests.versions {
                        let url = "http://127.0.0.1:\(port)/large"
                        try Eventually.holds("the file", within: .seconds(20)) {
                            try Curl.request(url, fields: fields, arguments: version).body == expected
                        }
                    }
                }
            }
        }

        private static let client = """
            import asyncio, os, sys, websockets
            async def talk(number):
                async with websockets.connect(f"ws://127.0.0.1:{sys.argv[1]}/chat", max_size=None) as socket:
                    for message in (f"hello {number}", "", os.urandom(70000)):
                        await socket.send(message)
                        assert await asyncio.wait_for(socket.recv(), 20) == message
            async def main():
                await asyncio.gather(*(talk(number) for number in range(20)))
                print("all answered")
            asyncio.run(main())
            """

        private static let server = """
            import asyncio, sys, websockets
            async def serve(socket):
                async for message in socket:
                    await socket.send(message)
            async def main():
                async with websockets.serve(serve, "127.0.0.1", int(sys.argv[1]), max_size=None):
                    print("ready", flush=True)
                    await asyncio.Future()
            asyncio.run(main())
            """

        @Test("WebSocket goes to an endpoint of HTTP/2 as extended CONNECT: through two of our own nodes")
        func webSocket() throws {
            try Lab.run { lab in
                let (endpoint, inner, port) = (try Ports.unused(), try Ports.unused(), try Ports.unused())
                let server = try ChildProcess([ScriptedHTTP2.python, "-c", Self.server, String(endpoint)])
                defer { server.signal(SIGKILL) }
                _ = try Eventually.value("the WebSocket server", within: .seconds(20)) {
                    server.outputText.contains("ready") ? true : nil
                }
                // The endpoint of the outer site is the inner one, which takes HTTP/2 by prior knowledge.
                _ = try lab.site(SiteText.http(inner, to: ["127.0.0.1:\(endpoint)"], nodes: 1))
                let site = try lab.site(
                    SiteText.http(port, to: ["127.0.0.1:\(inner)"], nodes: 1, pool: "protocol: http2"))
                let result = try Command.run(
                    [ScriptedHTTP2.python, "-c", Self.client, String(port)], within: .seconds(60))
                #expect(result.exitCode == 0 && result.text == "all answered\n", "\(result)")
                #expect(try site.metric("sluice_requests_total", ["code": "101"]) == 20)
                try Eventually.holds("no stream is left over") {
                    try site.metric("sluice_http2_streams", ["side": "endpoint"]) == 0
                }
            }
        }

        @Test("an endpoint that doesn't take WebSocket over HTTP/2 is 502, with the reason in the log")
        func noWebSocket() throws {
            try Lab.run { lab in
                let endpoint = try ScriptedHTTP2(streams: 50)
                defer { endpoint.stop() }
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [endpoint.address], nodes: 1, pool: "protocol: http2"))
                let answer = try Curl.request(
                    "http://127.0.0.1:\(port)/chat",
                    fields: [
                        "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                    ])
                #expect(answer.status == 502, "\(answer)")
                #expect(site.log.contains("doesn't take WebSocket over HTTP/2"), "\(site.log)")
            }
        }
    }
}
