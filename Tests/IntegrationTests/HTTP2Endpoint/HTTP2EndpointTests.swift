import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// The endpoint is the Python library `h2` (`ScriptedHTTP2`), the client curl, with HTTP/1.1 and with HTTP/2.
    @Suite("Endpoints that speak HTTP/2")
    struct HTTP2EndpointTests {
        static let versions: [[String]] = [[], ["--http2-prior-knowledge"]]

        private func withSite(
            streams: Int? = nil, pool: String = "", route: String = "", top: String = "",
            _ body: (String, ScriptedHTTP2, Site) throws -> Void
        ) throws {
            try Lab.run { lab in
                let endpoint = try ScriptedHTTP2(streams: streams)
                defer { endpoint.stop() }
                let port = try Ports.unused()
                let keys = "protocol: http2" + (pool.isEmpty ? "" : ", \(pool)")
                let site = try lab.site(
                    SiteText.http(port, to: [endpoint.address], nodes: 1, pool: keys, route: route, top: top))
                let nodes = site.nodeProcesses
                try body("http://127.0.0.1:\(port)", endpoint, site)
                #expect(site.nodeProcesses == nodes, "a node has died: \(site.log)")
            }
        }

        private func sum(_ name: String, _ site: Site) throws -> Double { try site.metric(name, ["side": "endpoint"]) }

        @Test("methods, bodies and answers pass in both directions", arguments: versions)
        func messages(version: [String]) throws {
            try withSite { url, endpoint, site in
                func ask(_ path: String, _ method: String? = nil, _ fields: [String] = [], _ body: String? = nil) throws
                    -> Curl.Response
                {
                    let answer = try Curl.request(
                        url + path, method: method, fields: fields, body: body.map { Data($0.utf8) }, arguments: version
                    )
                    #expect(answer.exitCode == 0, "\(path): \(answer.errors)")
                    return answer
                }
                let get = try ask("/echo?a=b", nil, ["X-Test: 1", "Cookie: a=b", "TE: trailers"])
                #expect(get.status == 200 && get.text.isEmpty, "\(get)")
                let head = get.head["x-head"] ?? ""
                for field in ["(':method', 'GET')", "(':scheme', 'http')", "(':path', '/echo?a=b')", "('x-test', '1')"]
                {
                    #expect(head.contains(field), "\(field) in \(head)")
                }
                #expect(head.contains("(':authority', '\(url.dropFirst(7))')") && !head.contains("'host'"), "\(head)")
                for name in ["connection", "transfer-encoding", "upgrade", "keep-alive"] {
                    #expect(!head.contains("('\(name)'"), "\(head)")
                }
                #expect(try ask("/echo", nil, [], "hello").text == "hello")
                #expect(try ask("/echo", "PUT", ["Transfer-Encoding: chunked"], "chunks").text == "chunks")
                let empty = try ask("/empty")
                #expect(empty.status == 204 && empty.head["transfer-encoding"] == nil)
                #expect(try ask("/sized").text == "hello")
                let noBody = try ask("/sized", "HEAD")
                #expect(noBody.status == 200 && noBody.head["content-length"] == "5")
                #expect(try ask("/interim").text == "ok")
                #expect(try ask("/large?300000").body.count == 3_000_000)
                let large = String(repeating: "0123456789", count: 300_000)
                #expect(try ask("/echo", nil, ["Expect:"], large).text == large)
                #expect(
                    try ask("/echo", nil, ["Expect:", "Transfer-Encoding: chunked"], large).text == large)
                // All on one connection, which goes on.
                #expect(try sum("sluice_http2_connections", site) == 1)
                #expect(try sum("sluice_http2_resets_total", site) == 0)
                try Eventually.holds("no stream is left over") { try sum("sluice_http2_streams", site) == 0 }
                #expect(try site.metric("sluice_node_buffers") <= 1, "blocks are left over")
            }
        }

        @Test("trailers pass both ways, from and to HTTP/1.1 as well")
        func trailers() throws {
            try withSite { url, endpoint, _ in
                let socket = try TCPSocket(connectingTo: UInt16(url.split(separator: ":").last!)!)
                try socket.send(
                    "POST /echo HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Mine: 7\r\n\r\n"
                )
                let answer = String(decoding: try socket.receiveToEnd(), as: UTF8.self)
                #expect(answer.contains("x-trailers: [('x-mine', '7')]"), "\(answer)")
                #expect(answer.contains("('te', 'trailers')"), "\(answer)")
                #expect(answer.hasSuffix("5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n"), "\(answer)")
                let directory = try TemporaryDirectory()
                try directory.write("hello", to: "body")
                let result = try Command.run([
                    "nghttp", "--verbose", "--no-content-length", "--data", directory.file("body"), "--trailer",
                    "x-mine: 8", "\(url)/echo",
                ])
                #expect(result.text.contains("x-trailers: [('x-mine', '8')]"), "\(result)")
                #expect(result.text.contains("x-sum: 5"), "\(result)")
            }
        }

        @Test(
            "trailers as long as gRPC's errors make them; longer ones than 16 KiB break the message off",
            arguments: [-1, 0, 1])
        func longTrailers(excess: Int) throws {
            try withSite { url, _, _ in
                // With name, colon, space and two line ends.
                let count = 16 * 1024 - 12 + excess
                let socket = try TCPSocket(connectingTo: UInt16(url.split(separator: ":").last!)!)
                try socket.send(
                    "GET /trailers?\(count) HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n")
                let answer = try? String(decoding: socket.receiveToEnd(), as: UTF8.self)
                let end = "1\r\nx\r\n0\r\nx-note: " + String(repeating: "n", count: count) + "\r\n\r\n"
                #expect(answer?.hasSuffix(end) ?? false == (excess <= 0), "\(answer?.count ?? -1) bytes")
                let second = try Command.run(["nghttp", "--verbose", "\(url)/trailers?\(count)"])
                #expect(second.text.contains("x-note: nnnn") == (excess <= 0), "\(second.text.prefix(2_000))")
            }
        }

        @Test(
            "a request that the endpoint hasn't looked at is sent again, also a POST", arguments: ["refuse", "goaway"])
        func passedOver(how: String) throws {
            try withSite { url, _, site in
                // A connection that has served before, as in the middle of the day.
                #expect(try Curl.get("\(url)/echo").status == 200)
                let answer = try Curl.request("\(url)/\(how)-once", body: Data("order".utf8))
                #expect(answer.status == 200 && answer.text == "order", "\(answer)")
                #expect(answer.head["x-seen"] == "2")
                let chunked = try Curl.request(
                    "\(url)/\(how)-once?chunked", fields: ["Transfer-Encoding: chunked"], body: Data("order".utf8))
                #expect(chunked.status == 200 && chunked.text == "order", "\(chunked)")
                #expect(try site.metric("sluice_http2_goaways_total") == (how == "goaway" ? 2 : 0))
                #expect(try site.metric("sluice_http2_passed_over_total") == (how == "goaway" ? 2 : 0))
            }
        }

        @Test(
            "an endpoint that ends each connection before its first request has failed: others serve, and it is ejected"
        )
        func endsAll() throws {
            try Lab.run { lab in
                let bad = try ScriptedHTTP2(endsAll: true), good = try ScriptedHTTP2()
                defer { for endpoint in [bad, good] { endpoint.stop() } }
                let port = try Ports.unused()
                let keys = "protocol: http2, outlier: {consecutive_errors: 3, ejection: 60s, max_ejected: 50%}"
                let site = try lab.site(SiteText.http(port, to: [bad.address, good.address], nodes: 1, pool: keys))
                for _ in 0..<10 {
                    let answer = try Curl.request("http://127.0.0.1:\(port)/echo", body: Data("order".utf8))
                    #expect(answer.status == 200 && answer.text == "order", "\(answer)")
                }
                try Eventually.holds("the ejection") {
                    try site.metric("sluice_endpoint_ejected", ["endpoint": bad.address]) == 1
                }
                #expect(try site.metric("sluice_http2_passed_over_total") == 0)
                // One for each request that came to it: not one connection after the other for the same.
                #expect(try site.metric("sluice_http2_goaways_total") <= 5)
            }
        }

        @Test("a POST whose connection broke is not sent again, a GET is")
        func broken() throws {
            try withSite { url, _, site in
                #expect(try Curl.get("\(url)/echo").status == 200)
                let post = try Curl.request("\(url)/cut-once?post", body: Data("order".utf8))
                #expect(post.status == 502, "\(post)")
                let again = try Curl.request("\(url)/cut-once?post", body: Data("order".utf8))
                #expect(again.head["x-seen"] == "2", "\(again)")
                let get = try Curl.get("\(url)/cut-once?get")
                #expect(get.status == 200 && get.head["x-seen"] == "2", "\(get)")
            }
        }

        @Test("what goes on failing is answered: 503 when refused or passed over, 502 when reset or cut")
        func failing() throws {
            try withSite { url, _, site in
                #expect(try Curl.get("\(url)/refuse").status == 503)
                #expect(try Curl.get("\(url)/goaway").status == 503)
                #expect(try Curl.get("\(url)/reset").status == 502)
                #expect(try Curl.get("\(url)/cut").status == 502)
                let half = try Curl.request("\(url)/half")
                #expect(half.exitCode != 0 && half.text.count <= 10, "\(half)")
                #expect(try Curl.get("\(url)/echo").status == 200)
            }
        }

        @Test("a malformed response is 502 and counted, and the connection goes on")
        func malformed() throws {
            let kinds = ["connection", "capital", "te", "coding", "line", "nul", "pseudo", "status", "none", "switch"]
            try withSite { url, _, site in
                for (index, kind) in kinds.enumerated() {
                    let answer = try Curl.get("\(url)/malformed?\(kind)")
                    #expect(answer.status == 502, "\(kind)")
                    let count = try site.metric(
                        "sluice_malformed_messages_total", ["side": "endpoint", "reason": "http2-message"])
                    #expect(count == Double(index + 1), "\(kind)")
                }
                #expect(try Curl.get("\(url)/echo").status == 200)
                #expect(try sum("sluice_http2_connections", site) == 1)
            }
        }

        @Test("a body that is shorter than it says looks cut short", arguments: versions)
        func shortBody(version: [String]) throws {
            try withSite { url, _, _ in
                let answer = try Curl.request("\(url)/malformed?length", arguments: version)
                #expect(answer.exitCode != 0, "\(answer)")
            }
        }

        @Test("an answer that comes before the whole request passes")
        func early() throws {
            let body = Data(repeating: 0x61, count: 3_000_000)
            try withSite { url, _, site in
                let answer = try Curl.request("\(url)/early", fields: ["Expect:"], body: body)
                #expect(answer.status == 413 && answer.head["x-early"] == "1", "\(answer)")
                // Not by curl: its release here takes RST_STREAM with NO_ERROR for a failure, where it says that the rest of the
                // request isn't wanted (RFC 9113 §8.1).
                let directory = try TemporaryDirectory()
                try body.write(to: URL(fileURLWithPath: directory.file("body")))
                let text = try Command.succeed(["nghttp", "-v", "-d", directory.file("body"), "\(url)/early"])
                for part in [":status: 413", "x-early: 1", "recv RST_STREAM", "NO_ERROR(0x00)"] {
                    #expect(text.contains(part), "\(text)")
                }
                #expect(try Curl.get("\(url)/echo").status == 200)
            }
        }

        @Test("a client that goes away, and a time that is over, reset the stream and not the connection")
        func cancelled() throws {
            try withSite(route: "timeout: {response: 500ms}, retry: {attempts: 1}") { url, _, site in
                let gone = try Curl.request("\(url)/wait?gone", within: .milliseconds(200))
                #expect(gone.exitCode == 28)
                #expect(try Curl.get("\(url)/wait?late").status == 504)
                try Eventually.holds("the endpoint hears of it") {
                    let resets = try Curl.get("\(url)/resets").text
                    return resets.contains("'/wait?gone': 8") && resets.contains("'/wait?late': 8")
                }
                #expect(try sum("sluice_http2_connections", site) == 1)
            }
        }

        @Test("a client that doesn't read holds its stream up and no other", arguments: versions)
        func slowClient(version: [String]) throws {
            try withSite { url, _, site in
                let port = UInt16(url.split(separator: ":").last!)!
                let slow = try TCPSocket(connectingTo: port)
                try slow.send("GET /large?3000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                for _ in 0..<20 {
                    #expect(try Curl.request("\(url)/large?20000", arguments: version).body.count == 200_000)
                }
                #expect(try sum("sluice_http2_streams", site) == 1)
                // What it didn't read is not in this node's memory.
                #expect(try site.metric("sluice_node_buffers") < 16)
                let all = try slow.receiveToEnd()
                #expect(all.count > 30_000_000)
            }
        }

        @Test("an endpoint that doesn't read holds its stream up and no other")
        func slowEndpoint() throws {
            try withSite { url, _, site in
                let port = UInt16(url.split(separator: ":").last!)!
                let slow = try TCPSocket(connectingTo: port)
                try slow.send("POST /stuck HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n")
                try slow.send(String(repeating: "x", count: 40_000))
                #expect(try Curl.get("\(url)/echo").status == 200)
                let answer = try Curl.request(
                    "\(url)/echo", fields: ["Expect:"], body: Data(repeating: 0x61, count: 20_000))
                #expect(answer.body.count == 20_000)
            }
        }

        @Test("streams are bounded by the endpoint and by the pool, connections by `max`; what is too much waits")
        func bounds() throws {
            for (streams, pool, connections) in [(7, "", 4...20), (nil, "connections: {max: 2, streams: 5}", 1...2)] {
                try withSite(streams: streams, pool: pool) { url, _, site in
                    let text = try Command.succeed(
                        ["h2load", "-n", "2000", "-c", "4", "-m", "16", "\(url)/sized"], within: .seconds(60))
                    #expect(text.contains("2000 succeeded, 0 failed"), "\(text)")
                    let open = try sum("sluice_http2_connections", site)
                    #expect(connections.contains(Int(open)), "\(open)")
                    #expect(try sum("sluice_http2_streams_total", site) >= 2000)
                }
            }
        }

        @Test("no more than `connections.streams` run on one connection; the others wait")
        func streams() throws {
            try withSite(pool: "connections: {max: 1, streams: 3}") { url, _, site in
                let client = try RawHTTP2(try #require(url.split(separator: ":").last.flatMap { UInt16($0) }))
                defer { client.close() }
                for stream in [UInt32(1), 3, 5, 7] { try client.send(client.get(stream, path: "/held")) }
                try Eventually.holds("three at the endpoint and one that waits") {
                    try sum("sluice_http2_streams", site) == 3 && site.metric("sluice_pool_queue") == 1
                }
            }
        }

        @Test("a connection on which nothing comes any more is given up")
        func silent() throws {
            try withSite(route: "timeout: {response: 1500ms}, retry: {attempts: 1}") { url, endpoint, site in
                #expect(try Curl.get("\(url)/echo").status == 200)
                endpoint.pause()
                #expect(try Curl.get("\(url)/echo").status == 504)
                try Eventually.holds("the connection is closed", within: .seconds(15)) {
                    try sum("sluice_http2_connections", site) == 0
                }
            }
        }

        @Test("an idle connection is closed after its time, and so is an old one")
        func idle() throws {
            try withSite(pool: "connections: {idle: 300ms}") { url, _, site in
                #expect(try Curl.get("\(url)/echo").status == 200)
                #expect(try site.metric("sluice_endpoint_connections", ["state": "idle"]) == 1)
                try Eventually.holds("the connection is closed") { try sum("sluice_http2_connections", site) == 0 }
                #expect(try site.metric("sluice_endpoint_connections") == 0)
            }
            try withSite(pool: "connections: {lifetime: 300ms}") { url, _, site in
                #expect(try Curl.get("\(url)/echo").status == 200)
                try Eventually.holds("the connection is closed") { try sum("sluice_http2_connections", site) == 0 }
            }
        }

        @Test("a copy goes to endpoints of HTTP/2 too, and one of a request to them")
        func mirrored() throws {
            try Lab.run { lab in
                let (endpoint, shadow) = (try ScriptedHTTP2(), try ScriptedHTTP2())
                defer {
                    endpoint.stop()
                    shadow.stop()
                }
                let old = try lab.http()
                let port = try Ports.unused()
                let site = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners: {web: {address: "127.0.0.1:\(port)"}}
                    routes:
                      - {name: old, match: {header: {x-to: old}}, to: app, mirror: {pool: old}}
                      - {name: new, to: app, mirror: {pool: shadow}}
                    pools:
                      app: {endpoints: ["\(endpoint.address)"], protocol: http2}
                      shadow: {endpoints: ["\(shadow.address)"], protocol: http2}
                      old: {endpoints: ["\(old.address)"]}
                    """)
                let url = "http://127.0.0.1:\(port)"
                for fields in [[], ["Transfer-Encoding: chunked"]] {
                    let answer = try Curl.request("\(url)/echo", fields: fields, body: Data("hello".utf8))
                    #expect(answer.text == "hello")
                }
                try Eventually.holds("both copies are answered") {
                    try site.metric("sluice_mirror_requests_total", ["route": "new", "outcome": "answered"]) == 2
                }
                for fields in [["X-To: old"], ["X-To: old", "Transfer-Encoding: chunked"]] {
                    let answer = try Curl.request("\(url)/echo", fields: fields, body: Data("hello".utf8))
                    #expect(answer.text == "hello")
                }
                try Eventually.holds("copies of HTTP/1.1 are whole") { old.requests.map(\.text) == ["hello", "hello"] }
            }
        }
    }
}
