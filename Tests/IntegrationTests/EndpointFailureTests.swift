import Foundation
import Synchronization
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Endpoints that fail")
    struct EndpointFailureTests {
        @Test("an endpoint killed under load, and back: no GET fails")
        func killedUnderLoad() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [a.address, b.address]))
                let load = lab.load(port, connections: 8)
                try load.progress()
                for _ in 0..<3 {
                    a.kill()
                    try load.progress()
                    let before = a.requestCount
                    try a.start()
                    try Eventually.holds("requests at the endpoint that came back") { a.requestCount > before }
                    try load.progress()
                }
                let report = try load.stop()
                // A GET may be sent again (RFC 9110 §9.2.2), and these answers are too small to break off half-way.
                #expect(report.failed == 0, "\(report)")
            }
        }

        @Test("wrk sees no error either")
        func killedUnderWrk() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [a.address, b.address]))
                let run = try Wrk.start("http://127.0.0.1:\(port)/", connections: 16, seconds: 3)
                try Eventually.holds("load at both endpoints") { a.requestCount > 200 && b.requestCount > 200 }
                a.kill()
                let result = try run.finish()
                #expect(result.socketErrors == 0, "\(result)")
                #expect(result.otherStatuses == 0, "\(result)")
            }
        }

        @Test("an endpoint that refuses is passed over: POST too, since nothing was sent")
        func refusingEndpoint() throws {
            try Lab.run { lab in
                let app = try lab.http { .response($0.text) }
                let (refusing, port) = (try Ports.unused(), try Ports.unused())
                _ = try lab.site(SiteText.http(port, to: ["127.0.0.1:\(refusing)", app.address], nodes: 1))
                for number in 0..<20 {
                    let response = try Curl.request(
                        "http://127.0.0.1:\(port)/", method: "POST", body: Data("\(number)".utf8))
                    #expect(response.status == 200)
                    #expect(response.text == "\(number)")
                }
                #expect(app.requests.count == 20)
            }
        }

        @Test("a POST whose endpoint broke off after reading it is not sent again")
        func noRetryOfPost() throws {
            try Lab.run { lab in
                let breaking = try lab.http("breaking") { _ in .raw("", closes: true) }
                let port = try Ports.unused()
                let other = try lab.http("other") { _ in .raw("", closes: true) }
                _ = try lab.site(SiteText.http(port, to: [breaking.address, other.address], nodes: 1))
                let response = try Curl.request("http://127.0.0.1:\(port)/", method: "POST", body: Data("once".utf8))
                #expect(response.status == 502)
                #expect(breaking.requests.count + other.requests.count == 1)
            }
        }

        @Test("with every endpoint down the answer is 502 or 503, quickly, and names none of them")
        func allDown() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [a.address, b.address]))
                #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 200)
                a.kill()
                b.kill()
                for _ in 0..<10 {
                    let response = try Curl.get("http://127.0.0.1:\(port)/", within: .seconds(5))
                    #expect([502, 503].contains(response.status))
                    #expect(response.head["X-Request-Id"] != nil)
                    #expect(!response.text.contains("127.0.0.1") && !response.head.raw.contains("\(a.port)"))
                    #expect(response.elapsed < .seconds(2))
                }
                try a.start()
                try Eventually.holds("service after an endpoint is back") {
                    try Curl.get("http://127.0.0.1:\(port)/").status == 200
                }
            }
        }

        @Test("an endpoint that takes a request and never answers: 504 at the route's time limit")
        func silentEndpoint() throws {
            try Lab.run { lab in
                let gate = Gate()
                let app = try lab.scripted { _ in try gate.wait() }
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, route: "timeout: {response: 700ms}"))
                let response = try Curl.get("http://127.0.0.1:\(port)/", within: .seconds(10))
                gate.open()
                #expect(response.status == 504)
                #expect(response.head["X-Request-Id"] != nil)
                // Attempts on one endpoint more than once would take twice as long.
                #expect(response.elapsed >= .milliseconds(650) && response.elapsed < .seconds(3), "\(response.elapsed)")
            }
        }

        @Test("an endpoint that takes no connection: 504 at the route's time limit, or another one answers")
        func connectTimeout() throws {
            try Lab.run { lab in
                let full = try FullEndpoint()
                let (app, port) = (try lab.http("app"), try Ports.unused())
                let site = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {match: {path: /alone}, to: full, timeout: {connect: 300ms}}
                      - {to: both, timeout: {connect: 300ms}}
                    pools:
                      full: {endpoints: ["\(full.address)"]}
                      both: {endpoints: ["\(full.address)", "\(app.address)"], balance: round-robin}
                    """)
                let response = try Curl.get("http://127.0.0.1:\(port)/alone")
                #expect(response.status == 504)
                #expect(response.elapsed >= .milliseconds(250) && response.elapsed < .seconds(3), "\(response.elapsed)")
                for _ in 0..<2 { #expect(try Curl.get("http://127.0.0.1:\(port)/").text == "app") }
                let retries = try site.metric("sluice_retries_total", ["pool": "both", "reason": "connect-failure"])
                #expect(retries == 1, "one of the two asked the full one first")
            }
        }

        @Test("an endpoint that stops in the middle of its answer: the client is cut off after timeout.body_idle")
        func stalledAnswer() throws {
            try Lab.run { lab in
                let gate = Gate()
                let app = try lab.scripted { connection in
                    _ = try connection.receive()
                    try connection.socket.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
                    try gate.wait()
                }
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, top: "limits: {timeout: {body_idle: 500ms}}"))
                let response = try Curl.request("http://127.0.0.1:\(port)/")
                gate.open()
                // curl's "transfer closed early".
                #expect([18, 56].contains(response.exitCode), "\(response)")
                #expect(response.text == "begun")
                #expect(response.elapsed >= .milliseconds(450) && response.elapsed < .seconds(3), "\(response.elapsed)")
            }
        }

        @Test("an answer without a length that its endpoint resets does not look whole")
        func resetAnswer() throws {
            try Lab.run { lab in
                let gate = Gate()
                let app = try lab.scripted { connection in
                    _ = try connection.receive()
                    try connection.socket.send("HTTP/1.1 200 OK\r\n\r\nbegun")
                    try gate.wait()
                    connection.socket.reset()
                }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try TCPSocket(connectingTo: port)
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                var text = ""
                while !text.hasSuffix("begun") { text += String(decoding: try client.receive(), as: UTF8.self) }
                gate.open()
                let error = #expect(throws: SystemCallError.self) { _ = try client.receive() }
                #expect(error?.errno == ECONNRESET)
            }
        }

        @Test(
            "an answer that is no HTTP is 502",
            arguments: [
                "nonsense\r\n\r\n", "HTTP/1.1 abc\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
            ])
        func badAnswer(bytes: String) throws {
            try Lab.run { lab in
                let app = try lab.http { _ in .raw(bytes, closes: true) }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                #expect(try Curl.get("http://127.0.0.1:\(port)/").status == 502)
            }
        }

        @Test("an endpoint that fails its health checks gets no requests until it is well again")
        func healthChecks() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                let health = "health: {path: /healthz, interval: 100ms, timeout: 500ms, rise: 2, fall: 3}"
                let site = try lab.site(SiteText.http(port, to: [a.address, b.address], pool: health))
                try waitForState("up", of: a, in: site)
                try waitForState("up", of: b, in: site)
                let load = lab.load(port, connections: 4)
                try load.progress()
                // Twice: workers are told all that is down with the first membership that names their node, too.
                for _ in 0..<2 {
                    a.failHealth()
                    try waitForState("down", of: a, in: site)
                    // What had been picked before the verdict may still arrive; after that, nothing.
                    try load.progress(by: 50)
                    let before = a.requestCount
                    try load.progress()
                    #expect(a.requestCount == before, "a down endpoint got requests")
                    let pools = try site.command.json(["pools"])["pools"]?.elements ?? []
                    let shown = pools.first?["endpoints"]?.elements.first { $0["address"]?.text == a.address }
                    #expect(shown?["state"]?.text == "down")
                    try a.restoreHealth()
                    try waitForState("up", of: a, in: site)
                    try Eventually.holds("requests at the endpoint that is well again") { a.requestCount > before }
                }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
            }
        }

        @Test("a TCP health check notices a port that is closed, and open again")
        func tcpHealthCheck() throws {
            try Lab.run { lab in
                let a = try lab.nginx("a"), b = try lab.nginx("b")
                let port = try Ports.unused()
                let health = "health: {tcp: true, interval: 100ms, timeout: 500ms, rise: 2, fall: 2}"
                let site = try lab.site(SiteText.http(port, to: [a.address, b.address], nodes: 1, pool: health))
                try waitForState("up", of: a, in: site)
                a.kill()
                try waitForState("down", of: a, in: site)
                try waitForState("up", of: b, in: site)
                try a.start()
                try waitForState("up", of: a, in: site)
            }
        }

        @Test("a probe has its method, fields and expected text from the site")
        func probeRequest() throws {
            try Lab.run { lab in
                let body = Mutex("all well")
                let app = try lab.http { request in
                    guard request.head.target == "/up" else { return .response("app") }
                    return .response(body.withLock { $0 })
                }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1,
                        pool: "health: {path: /up, method: OPTIONS, headers: {Host: shop.example, X-Token: t}, "
                            + "expect_body: well, interval: 100ms, rise: 1, fall: 1}"))
                func holds(_ state: String) throws {
                    try Eventually.holds("the endpoint to be \(state)", every: .milliseconds(30)) {
                        try site.control.endpoint("app", app.address)?["state"]?.text == state
                    }
                }
                try holds("up")
                let probe = try #require(app.requests(for: "/up").first)
                #expect(probe.head.method == "OPTIONS")
                #expect(probe.head["Host"] == "shop.example" && probe.head["X-Token"] == "t")
                body.withLock { $0 = "maintenance" }
                try holds("down")
                #expect(site.log.contains("app/\(app.address) is down: answer without the expected text"))
                body.withLock { $0 = "well again" }
                try holds("up")
            }
        }

        private func waitForState(_ state: String, of endpoint: NginxEndpoint, in site: Site) throws {
            try Eventually.holds("endpoint \(endpoint.name) to be \(state)", every: .milliseconds(30)) {
                try site.control.endpoint("app", endpoint.address)?["state"]?.text == state
            }
        }
    }
}

/// An address whose queue of connections is full: the kernel passes over whoever asks for one more.
private final class FullEndpoint {
    let address: String
    private let listener: CInt
    private var waiting: [TCPSocket] = []

    init() throws {
        let port = try Ports.unused()
        address = "127.0.0.1:\(port)"
        listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let isListening = withUnsafePointer(to: &name) { name in
            name.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                bind(listener, name, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0 && listen(listener, 0) == 0
            }
        }
        guard isListening else { throw SystemCallError(call: "listen on \(address)", errno: errno) }
        while let client = try connect(to: port) { waiting.append(client) }
    }

    deinit { close(listener) }

    /// - Returns: nil when the queue is full.
    private func connect(to port: UInt16) throws -> TCPSocket? {
        do {
            return try TCPSocket(connectingTo: port, timeout: .milliseconds(200))
        } catch let error as SystemCallError where error.errno == ETIMEDOUT {
            return nil
        }
    }
}
