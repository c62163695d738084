import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// `protocol: tls-passthrough`: the forwarder reads the client's hello, and the endpoint speaks TLS.
    @Suite("TLS is passed through to the endpoint that the client asks for")
    struct PassthroughTests {
        private struct Setup {
            let site: Site
            let authority: TestAuthority
            let shop: NginxEndpoint
            let blog: NginxEndpoint
            let port: UInt16

            /// What curl makes of a request by that name.
            func get(_ host: String, _ arguments: [String] = []) throws -> Curl.Response {
                try Curl.request(
                    "https://\(host):\(port)/",
                    arguments: ["--cacert", authority.certificate, "--resolve", "\(host):\(port):127.0.0.1"] + arguments
                )
            }

            func refused(_ reason: String) throws -> Double {
                try site.metric("sluice_passthrough_refused_total", ["listener": "pt", "reason": reason])
            }
        }

        /// Two nginx that speak TLS, each with a certificate for its own names.
        private func withSite(
            routes: String? = nil, listener: String = "", top: String = "", _ body: (Lab, Setup) throws -> Void
        ) throws {
            try Lab.run { lab in
                let site = try lab.site("", start: false)
                let authority = try TestAuthority(in: site.directory)
                func endpoint(_ name: String, _ hosts: [String]) throws -> NginxEndpoint {
                    try authority.issue(name, for: hosts)
                    let files = NginxEndpoint.TLS(
                        chain: site.directory.file("\(name).pem"), key: site.directory.file("\(name).key"))
                    return try lab.nginx(name, tls: files)
                }
                let shop = try endpoint("shop", ["shop.example", "*.shop.example"])
                let blog = try endpoint("blog", ["blog.example", "localhost"])
                let port = try Ports.unused()
                try site.rewrite(
                    """
                    site: test
                    proxy: {nodes: 1}
                    \(top)
                    listeners:
                      pt: {address: "127.0.0.1:\(port)", protocol: tls-passthrough\(listener)}
                    routes:
                    \(routes ?? """
                      - {name: shop, listeners: pt, match: {host: [shop.example, "*.shop.example"]}, to: shop}
                      - {name: blog, listeners: pt, match: {host: blog.example}, to: blog}
                    """)
                    pools:
                      shop: {endpoints: ["\(shop.address)"], health: {tcp: true}}
                      blog: {endpoints: ["\(blog.address)"], health: {tcp: true}}
                    """)
                try site.start()
                try body(lab, Setup(site: site, authority: authority, shop: shop, blog: blog, port: port))
            }
        }

        @Test("curl by name: each endpoint answers with its own certificate, in HTTP/2 as in HTTP/1.1")
        func byName() throws {
            try withSite { _, setup in
                for (host, name) in [
                    ("shop.example", "shop"), ("a.shop.example", "shop"), ("BLOG.example", "blog"),
                ] {
                    for option in ["--http1.1", "--http2"] {
                        let response = try setup.get(host, [option])
                        #expect(response.text == name, "\(host): \(response.errors)")
                        #expect(response.head.startLine.hasPrefix(option == "--http2" ? "HTTP/2 200" : "HTTP/1.1 200"))
                    }
                }
                for (route, count) in [("shop", 4.0), ("blog", 2.0)] {
                    let metric = try setup.site.metric(
                        "sluice_passthrough_connections_total", ["listener": "pt", "route": route])
                    #expect(metric == count)
                }
                // Nothing of it has been at a proxy node.
                #expect(try setup.site.metric("sluice_connections_accepted_total", ["role": "proxy"]) == 0)
            }
        }

        @Test("a name that no route has, and no name: a fatal alert, which openssl understands")
        func unknown() throws {
            try withSite { _, setup in
                let unknown = try setup.get("other.example")
                #expect(unknown.exitCode == 35 && unknown.errors.contains("unrecognized name"), "\(unknown.errors)")
                let nameless = try HTTPSTests.handshake(setup.port, ["-noservername"])
                #expect("\(nameless)".contains("alert missing extension"), "\(nameless)")
                #expect(try setup.refused("unknown_name") == 1)
                #expect(try setup.refused("no_name") == 1)
            }
        }

        @Test("ALPN chooses: a route of its own for a protocol, and an alert when none is known")
        func protocols() throws {
            let routes = """
                  - {name: acme, listeners: pt, match: {alpn: acme-tls/1}, to: blog}
                  - {name: h2, listeners: pt, match: {host: shop.example, alpn: [h2]}, to: shop}
                """
            try withSite(routes: routes) { _, setup in
                func subject(_ arguments: [String]) throws -> String {
                    "\(try HTTPSTests.handshake(setup.port, ["-servername", "shop.example"] + arguments))"
                }
                #expect(try subject(["-alpn", "acme-tls/1,http/1.1"]).contains("subject=CN = blog.example"))
                let second = try subject(["-alpn", "http/1.1,h2"])
                #expect(
                    second.contains("subject=CN = shop.example") && second.contains("ALPN protocol: h2"), "\(second)")
                #expect(try subject(["-alpn", "http/1.1"]).contains("alert no application protocol"))
                #expect(try setup.refused("unknown_protocol") == 1)
            }
        }

        @Test("the listener's own `to` takes what no route does; weights share a route")
        func standardAndWeights() throws {
            let routes = """
                  - {name: both, listeners: pt, match: {host: shop.example}, to: [{pool: shop, weight: 1}, {pool: blog, weight: 1}]}
                """
            try withSite(routes: routes, listener: ", to: blog") { _, setup in
                #expect(try setup.get("blog.example").text == "blog")
                let nameless = try HTTPSTests.handshake(setup.port, ["-noservername"])
                #expect(nameless.text.contains("subject=CN = blog.example"), "\(nameless)")
                var seen: Set<String> = []
                for _ in 0..<40 where seen.count < 2 { seen.insert(try setup.get("shop.example", ["--insecure"]).text) }
                #expect(seen == ["shop", "blog"])
                // An endpoint that is gone leaves its pool's share to the other.
                setup.shop.kill()
                try Eventually.holds("probes have found out") {
                    try setup.site.command.succeed(["pools"]).contains("down")
                }
                for _ in 0..<10 { #expect(try setup.get("shop.example", ["--insecure"]).text == "blog") }
            }
        }

        @Test("a pool whose endpoints refuse gives its client to the route's other pool, before probes know of it")
        func otherPool() throws {
            let routes = """
                  - {name: both, listeners: pt, match: {host: shop.example}, to: [{pool: shop, weight: 65535}, {pool: blog, weight: 1}]}
                """
            try withSite(routes: routes) { _, setup in
                #expect(try setup.get("shop.example").text == "shop")
                setup.shop.kill()
                #expect(try setup.get("shop.example", ["--insecure"]).text == "blog")
                setup.blog.kill()
                // Neither is asked again and again.
                let refused = try setup.get("shop.example", ["--insecure"])
                #expect(refused.exitCode == 35 || refused.exitCode == 56, "\(refused)")
            }
        }

        @Test("a hello in records of one byte, sent byte by byte; a body of 8 MiB after it")
        func fragments() throws {
            try withSite { _, setup in
                // Python's own TLS, whose first bytes are cut into records of one byte, each sent in two pieces.
                let script = """
                    import socket, ssl, sys
                    context = ssl.create_default_context(cafile=sys.argv[1])
                    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                    tls = context.wrap_bio(incoming, outgoing, server_hostname="shop.example")
                    s = socket.create_connection(("127.0.0.1", \(setup.port)))
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    s.settimeout(20)
                    def call(step):
                        while True:
                            try: result = step()
                            except ssl.SSLWantReadError: result = None
                            s.sendall(outgoing.read())
                            if result is not None: return result
                            incoming.write(s.recv(65536))
                    try: tls.do_handshake()
                    except ssl.SSLWantReadError: pass
                    hello = outgoing.read()
                    assert hello[0] == 22 and len(hello) == 5 + hello[3] * 256 + hello[4]
                    for byte in hello[5:]:
                        s.sendall(hello[:3] + b"\\0"); s.sendall(b"\\1" + bytes([byte]))
                    call(lambda: tls.do_handshake() or True)
                    call(lambda: tls.write(b"GET /files/big HTTP/1.1\\r\\nHost: shop.example\\r\\nConnection: close\\r\\n\\r\\n"))
                    count = 0
                    while True:
                        try: part = call(lambda: tls.read(65536))
                        except ssl.SSLError: break
                        if not part: break
                        count += len(part)
                    print(tls.getpeercert()["subject"][0][0][1], count > 8 << 20)
                    """
                let body = Data(repeating: 0x78, count: 8 << 20)
                try body.write(to: URL(fileURLWithPath: setup.shop.file("big")))
                let said = try Command.succeed(["python3", "-c", script, setup.authority.certificate])
                #expect(said == "shop.example True\n")
                #expect(try setup.refused("malformed") == 0)
            }
        }

        @Test("what is no TLS, and what never ends: closed, counted, and logged within bounds")
        func foreign() throws {
            try withSite(top: "limits: {timeout: {head: 300ms}}") { _, setup in
                for _ in 0..<100 {
                    let plain = try TCPSocket(connectingTo: setup.port)
                    try plain.send("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
                    #expect(try plain.receiveToEnd().isEmpty)
                }
                let slow = try TCPSocket(connectingTo: setup.port)
                try slow.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
                let silent = try TCPSocket(connectingTo: setup.port)
                for client in [slow, silent] { #expect(try client.receiveToEnd().isEmpty) }
                #expect(try setup.refused("malformed") == 100)
                #expect(try setup.refused("timeout") == 2)
                let lines = setup.site.log.split(separator: "\n").filter { $0.contains("no ClientHello") }
                #expect((1...50).contains(lines.count), "\(lines.count) lines")
                #expect(lines.first?.contains("at the listener pt") == true)
                // Others are served as before.
                #expect(try setup.get("shop.example").text == "shop")
            }
        }

        @Test("16,384 clients may be silent at one worker, one more is refused until one of them leaves")
        func silentClients() throws {
            try withSite(top: "forwarder: {workers: 1}\nlimits: {timeout: {head: 60s}}") { _, setup in
                Resources.raiseDescriptorLimit()
                var clients: [TCPSocket] = []
                func change(by number: Int) throws {
                    for _ in 0..<max(number, 0) { clients.append(try TCPSocket(connectingTo: setup.port)) }
                    clients.removeFirst(max(-number, 0))
                }
                func waiting(_ number: Int) throws {
                    try Eventually.holds("\(number) that wait", within: .seconds(30)) {
                        try setup.site.metric("sluice_connections", ["listener": "pt", "state": "hello"])
                            == Double(number)
                    }
                }
                let most = 16 * 1024
                for number in [most - 1, 1] { try change(by: number) }
                try waiting(most)
                #expect(try setup.refused("full") == 0)
                try change(by: 1)
                try Eventually.holds("the refusal") { try setup.refused("full") == 1 }
                try waiting(most)
                // One whose hello is there at once needn't wait, and is served.
                #expect(try setup.get("shop.example").text == "shop")
                try change(by: -1)
                try waiting(most - 1)
                try change(by: 1)
                try waiting(most)
                #expect(try setup.refused("full") == 1)
            }
        }

        @Test("an endpoint that refuses is passed over for the next, and no client notices")
        func nextEndpoint() throws {
            try withSite { _, setup in
                let refusing = try Ports.unused()
                let text = try String(contentsOfFile: setup.site.file, encoding: .utf8)
                    .replacing("health: {tcp: true}", with: "balance: round-robin")
                    .replacing(
                        "[\"\(setup.shop.address)\"]", with: "[\"127.0.0.1:\(refusing)\", \"\(setup.shop.address)\"]")
                try setup.site.rewrite(text)
                try setup.site.command.succeed(["apply", setup.site.file])
                for _ in 0..<20 {
                    let response = try setup.get("shop.example")
                    #expect(response.text == "shop", "\(response.errors)")
                }
                #expect(
                    try setup.site.metric("sluice_endpoint_failures_total", ["endpoint": "127.0.0.1:\(refusing)"]) >= 1)
            }
        }

        @Test("listeners, routes and explain know it")
        func commands() throws {
            try withSite(listener: ", to: blog") { _, setup in
                #expect(try setup.get("shop.example").text == "shop")
                let listeners = try setup.site.command.succeed(["listeners"])
                #expect(listeners.contains("tls-passthrough"), "\(listeners)")
                let routes = try setup.site.command.succeed(["routes"])
                let row = routes.split(separator: "\n").first { $0.hasPrefix("shop") }
                #expect(row?.split(separator: " ").last == "1", "\(routes)")
                func explain(_ url: String, _ arguments: [String] = []) throws -> String {
                    try setup.site.command.succeed(["explain", "GET", url] + arguments)
                }
                let known = try explain("https://a.shop.example:\(setup.port)/x")
                #expect(known.contains("route     shop") && known.contains("pool      shop"), "\(known)")
                let rest = try explain("https://else.example:\(setup.port)")
                #expect(rest.contains("`to` of the listener") && rest.contains("pool      blog"), "\(rest)")
                #expect(rest.contains("shop: other host") && rest.contains("blog: other host"), "\(rest)")
                let text = try String(contentsOfFile: setup.site.file, encoding: .utf8)
                try setup.site.rewrite(text.replacing(", to: blog}\nroutes", with: "}\nroutes"))
                try setup.site.command.succeed(["apply", setup.site.file])
                let unknown = try explain("https://else.example:\(setup.port)", ["--json"])
                #expect(unknown.contains("unrecognized_name"), "\(unknown)")
            }
        }
    }
}
