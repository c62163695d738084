import Foundation
import Synchronization
import TestKit
import Testing

extension IntegrationTests {
    /// `routes[].retry`. Round-robin with one worker: endpoints are asked in turn, retries included. So how many of several
    /// requests at once get to an endpoint depends on how soon the first ones fail; at least half of them do.
    @Suite("Retries")
    struct RetryTests {
        private static let failing = "503 Service Unavailable"

        private func retries(_ site: Site, _ reason: String) throws -> Int {
            Int(try site.metric("sluice_retries_total", ["pool": "app", "reason": reason]))
        }

        /// A request that is sent now and answered later.
        private func begin(_ port: UInt16, _ target: String = "/") throws -> HTTPConnection {
            let connection = try HTTPConnection(to: port, timeout: .seconds(20))
            try connection.socket.send("GET \(target) HTTP/1.1\r\nHost: test.example\r\n\r\n")
            return connection
        }

        /// Waits until so many requests are where they can be: at the endpoint that holds them, or, beyond the three that the
        /// budget lets through, waiting for it after their connection broke.
        ///
        /// - Returns: How many connections broke.
        private func heldBack(
            of count: Int, _ breaking: HTTPEndpoint, _ good: CountingEndpoint, _ site: Site
        ) throws -> Int {
            try Eventually.holds("requests to be at the endpoint, or to wait") {
                let broken = breaking.requests.count
                return try good.counts.held + broken == count + 3
                    && Int(site.metric("sluice_retries_waiting")) == broken - 3
            }
            let broken = breaking.requests.count
            #expect(broken >= count / 2)
            return broken
        }

        @Test("an endpoint's 503 is held back and another one answers", arguments: ["", "connections: {max: 2}"])
        func status(pool: String) throws {
            try Lab.run { lab in
                let bad = try lab.http("bad") { _ in .response("no", status: RetryTests.failing) }
                let good = try lab.http("good")
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [bad.address, good.address], nodes: 1, pool: pool, route: "retry: {on: [503]}"))
                let client = try HTTPConnection(to: port)
                for _ in 0..<20 {
                    let response = try client.request("/")
                    #expect(response.status == 200 && response.text == "good")
                }
                let failed = bad.requests.count
                #expect(failed >= 10 && good.requests.count == 20)
                #expect(try retries(site, "503") == failed)
                let counted = try site.metric(
                    "sluice_endpoint_requests_total", ["endpoint": bad.address, "code": "503"])
                #expect(Int(counted) == failed)
                #expect(try site.metric("sluice_requests_total", ["route": "main", "code": "200"]) == 20)
                #expect(try site.metric("sluice_retries_active") == 0)
                // The answers that were thrown away were there whole: their connection goes on.
                #expect(bad.accepted == 1)
            }
        }

        @Test("a thrown-away answer that goes on and on ends with its connection")
        func longAnswer() throws {
            try Lab.run { lab in
                let bad = try lab.scripted { connection in
                    _ = try connection.receive()
                    try connection.socket.send("HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n")
                    while true { try connection.socket.send("5\r\nwrong\r\n") }
                }
                let good = try lab.http("good")
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [bad.address, good.address], nodes: 1, route: "retry: {on: [502]}"))
                for _ in 0..<6 { #expect(try Curl.get("http://127.0.0.1:\(port)/").text == "good") }
                try Eventually.holds("the endless answers to be cut off") { bad.failures.count == bad.accepted }
                #expect(bad.accepted >= 3)
            }
        }

        @Test("what may not be sent twice is not: the endpoint's own answer is passed on")
        func notReplayable() throws {
            try Lab.run { lab in
                let bad = try lab.http("bad") { _ in .response("as it came", status: RetryTests.failing) }
                let port = try Ports.unused()
                let other = try lab.http("other") { _ in .response("as it came", status: RetryTests.failing) }
                let site = try lab.site(
                    SiteText.http(port, to: [bad.address, other.address], nodes: 1, route: "retry: {on: [503]}"))
                for method in ["POST", "PATCH", "PURGE"] {
                    let response = try Curl.request(
                        "http://127.0.0.1:\(port)/", method: method, body: Data("once".utf8))
                    #expect(response.status == 503 && response.text == "as it came", "\(method)")
                }
                #expect(bad.requests.count + other.requests.count == 3)
                #expect(try retries(site, "503") == 0)
            }
        }

        @Test(
            "a body is sent again, byte for byte, up to 32 KiB",
            arguments: [(1, true), (32 * 1024, true), (32 * 1024 + 1, false), (100_000, false)])
        func bodies(size: Int, isRepeated: Bool) throws {
            try Lab.run { lab in
                let bad = try lab.http("bad") { _ in .response("no", status: RetryTests.failing) }
                let good = try lab.http("good")
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [bad.address, good.address], nodes: 1, route: "retry: {on: [503]}"))
                let body = Data((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) })
                var statuses: [Int] = []
                for _ in 0..<4 {
                    statuses.append(
                        try Curl.request("http://127.0.0.1:\(port)/", method: "PUT", fields: ["Expect:"], body: body)
                            .status)
                }
                #expect(statuses.count(where: { $0 == 200 }) == (isRepeated ? 4 : 2), "\(statuses)")
                #expect((bad.requests + good.requests).allSatisfy { $0.body == body })
            }
        }

        @Test("a chunked body that comes piece by piece is sent again", arguments: [true, false])
        func chunkedBody(isShort: Bool) throws {
            try Lab.run { lab in
                let bad = try lab.http("bad") { _ in .response("no", status: RetryTests.failing) }
                let good = try lab.http("good")
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [bad.address, good.address], nodes: 1, route: "retry: {on: [503]}"))
                let piece = String(repeating: "0123456789abcdef", count: 256)
                let pieces = isShort ? 5 : 20
                var statuses: Set<Int> = []
                for _ in 0..<2 {
                    let client = try HTTPConnection(to: port)
                    try client.socket.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                    for _ in 0..<pieces { try client.socket.send("1000;x=y\r\n\(piece)\r\n") }
                    try client.socket.send("0\r\n\r\n")
                    statuses.insert(try client.response(to: "PUT").status)
                }
                #expect(statuses == (isShort ? [200] : [200, 503]))
                #expect(good.requests.count == (isShort ? 2 : 1))
                let whole = String(repeating: piece, count: pieces)
                #expect((bad.requests + good.requests).allSatisfy { $0.text == whole })
            }
        }

        @Test("each endpoint is asked once, as often as `attempts` says, and the last answer is passed on")
        func attempts() throws {
            try Lab.run { lab in
                let apps = try (0..<4).map { number in
                    try lab.http("app\(number)") { _ in .response("from \(number)", status: RetryTests.failing) }
                }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: apps.map(\.address), nodes: 1, route: "retry: {attempts: 3, on: [503]}"))
                let response = try Curl.get("http://127.0.0.1:\(port)/")
                #expect(response.status == 503)
                #expect(response.text.hasPrefix("from "))
                #expect(apps.map(\.requests.count).sorted() == [0, 1, 1, 1])
                #expect(try retries(site, "503") == 2)
            }
        }

        @Test("with `attempts: 1` not even a refused connection is followed by another one")
        func oneAttempt() throws {
            try Lab.run { lab in
                let good = try lab.http("good")
                let (refusing, port) = (try Ports.unused(), try Ports.unused())
                _ = try lab.site(
                    SiteText.http(
                        port, to: ["127.0.0.1:\(refusing)", good.address], nodes: 1, route: "retry: {attempts: 1}"))
                // The refusing endpoint is avoided for a second after that: it gets no second request in turn.
                let statuses = try (0..<4).map { _ in try Curl.get("http://127.0.0.1:\(port)/").status }
                #expect(statuses.sorted() == [200, 200, 200, 502])
            }
        }

        @Test("an answer that takes longer than per_try_timeout is asked for elsewhere, and none is waited for twice")
        func perTryTimeout() throws {
            try Lab.run { lab in
                let gate = Gate()
                let slow = try lab.http("slow") { _ in
                    try gate.wait()
                    return .response("slow")
                }
                let fast = try lab.http("fast")
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [slow.address, fast.address], nodes: 1,
                        route: "retry: {on: [504], per_try_timeout: 200ms}"))
                for _ in 0..<2 { #expect(try Curl.get("http://127.0.0.1:\(port)/").text == "fast") }
                let tooSlow = slow.requests.count
                #expect(try tooSlow >= 1 && retries(site, "504") == tooSlow)
                // Nothing else to ask: the answer is 504 after the one attempt.
                try site.command.succeed(["drain", "app/\(fast.address)"])
                let response = try Curl.get("http://127.0.0.1:\(port)/")
                #expect(response.status == 504)
                #expect(response.elapsed >= .milliseconds(190) && response.elapsed < .seconds(5))
                #expect(slow.requests.count == tooSlow + 1)
                gate.open()
            }
        }

        @Test("an interim response that the client has seen belongs to the answer that follows")
        func interim() throws {
            try Lab.run { lab in
                let hinting = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
                let bad = try lab.http("bad") { _ in
                    .raw(hinting + "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nbad")
                }
                let good = try lab.http("good")
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [bad.address, good.address], nodes: 1, route: "retry: {on: [503]}"))
                let texts = try (0..<2).map { _ in try Curl.get("http://127.0.0.1:\(port)/").text }
                #expect(texts.sorted() == ["bad", "good"])
            }
        }

        @Test("the budget lets three retries through and passes on the other answers")
        func budgetSpent() throws {
            try Lab.run { lab in
                let bad = try lab.http("bad") { _ in .response("no", status: RetryTests.failing) }
                let good = try lab.counting(holding: true)
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: [bad.address, good.address], nodes: 1, route: "retry: {on: [503]}"))
                let clients = try (0..<10).map { _ in try begin(port) }
                // Three of those that failed go on.
                try Eventually.holds("each request at both endpoints' end") {
                    good.counts.held + bad.requests.count == 10 + 3
                }
                let failed = bad.requests.count
                #expect(failed >= 5)
                try Eventually.holds("the answers to the others") {
                    clients.count(where: { $0.hasInput }) == failed - 3
                }
                #expect(try site.metric("sluice_retries_active") == 3)
                #expect(try Int(site.metric("sluice_retries_refused_total", ["pool": "app"])) == failed - 3)
                good.hold(false)
                let responses = try clients.map { try $0.response() }
                let statuses = Array(repeating: 200, count: 13 - failed) + Array(repeating: 503, count: failed - 3)
                #expect(responses.map(\.status).sorted() == statuses)
                #expect(responses.filter { $0.status == 503 }.allSatisfy { $0.text == "no" })
                #expect(try retries(site, "503") == 3)
                #expect(try site.metric("sluice_retries_active") == 0)
            }
        }

        @Test("with more under way, a fifth of it may be retries")
        func budgetShare() throws {
            try Lab.run { lab in
                let good = try lab.counting(holding: true)
                let bad = try lab.http("bad") { _ in .response("no", status: RetryTests.failing) }
                let port = try Ports.unused()
                let site = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {match: {path: {prefix: /share/}}, to: app, retry: {on: [503], budget: 50%}}
                      - {to: app, retry: {attempts: 1}}
                    pools:
                      app: {endpoints: ["\(good.address)", "\(bad.address)"], balance: round-robin}
                    """)
                // Those that get the failing endpoint are answered; the others stay.
                var held: [HTTPConnection] = []
                for number in 1...10 {
                    held.append(try begin(port))
                    held.append(try begin(port))
                    try Eventually.holds("\(number) held requests") { good.counts.held == number }
                }
                // 10 are under way, then 11 and more: the sixth retry would have to find 12 requests of which half are 6.
                let clients = try (0..<24).map { number in
                    let client = try begin(port, "/share/\(number)")
                    try Eventually.holds("request \(number) at the endpoint, or answered") {
                        client.hasInput || good.counts.targets.contains("/share/\(number)")
                    }
                    return client
                }
                let (active, retrying) = (
                    try site.metric("sluice_endpoint_active", ["pool": "app"]), try site.metric("sluice_retries_active")
                )
                #expect(retrying > 3 && retrying <= active / 2, "\(retrying) of \(active)")
                good.hold(false)
                for client in clients { _ = try client.response() }
            }
        }

        @Test("requests whose endpoint breaks off wait for each other, and none fails")
        func heldBack() throws {
            try Lab.run { lab in
                let breaking = try lab.http("breaking") { _ in .raw("", closes: true) }
                let good = try lab.counting(holding: true)
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [breaking.address, good.address], nodes: 1))
                let clients = try (0..<12).map { _ in try begin(port) }
                let broken = try heldBack(of: 12, breaking, good, site)
                #expect(try site.metric("sluice_retries_active") == 3)
                good.hold(false)
                for client in clients { #expect(try client.response().status == 200) }
                #expect(try retries(site, "reset") == broken)
                #expect(try site.metric("sluice_retries_refused_total") == 0)
                #expect(try site.metric("sluice_retries_waiting") == 0)
                #expect(try site.metric("sluice_retries_active") == 0)
            }
        }

        @Test("a client that goes away while its request waits for the budget is forgotten")
        func goneWhileHeldBack() throws {
            try Lab.run { lab in
                let breaking = try lab.http("breaking") { _ in .raw("", closes: true) }
                let good = try lab.counting(holding: true)
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [breaking.address, good.address], nodes: 1))
                let clients = try (0..<12).map { number in try begin(port, "/\(number)") }
                let waiting = try heldBack(of: 12, breaking, good, site) - 3
                let there = Set(good.counts.targets)
                for (number, client) in clients.enumerated() where !there.contains("/\(number)") {
                    client.socket.close()
                }
                try Eventually.holds("nobody to wait") { try site.metric("sluice_retries_waiting") == 0 }
                good.hold(false)
                for (number, client) in clients.enumerated() where there.contains("/\(number)") {
                    #expect(try client.response().status == 200)
                }
                #expect(good.counts.targets.count == 12 - waiting)
                #expect(try Int(site.metric("sluice_requests_total", ["code": "499"])) == waiting)
            }
        }

        @Test("who waits for the budget too long gets the answer to the first failure")
        func heldBackTooLong() throws {
            try Lab.run { lab in
                let breaking = try lab.http("breaking") { _ in .raw("", closes: true) }
                let good = try lab.counting(holding: true)
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [breaking.address, good.address], nodes: 1))
                let clients = try (0..<8).map { _ in try begin(port) }
                let waiting = try heldBack(of: 8, breaking, good, site) - 3
                try Eventually.holds("their answers") { clients.count(where: { $0.hasInput }) == waiting }
                good.hold(false)
                let statuses = try clients.map { try $0.response().status }
                let expected = Array(repeating: 200, count: 8 - waiting) + Array(repeating: 502, count: waiting)
                #expect(statuses.sorted() == expected)
                #expect(try Int(site.metric("sluice_retries_refused_total")) == waiting)
            }
        }
    }
}
