import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// `mirror` of a route.
    @Suite("Copies of requests")
    struct MirrorTests {
        private func site(
            _ lab: Lab, to app: String, copies: String, _ mirror: String = "", pool: String = ""
        ) throws -> (site: Site, port: UInt16) {
            let port = try Ports.unused()
            let site = try lab.site(
                """
                site: test
                proxy: {nodes: 1}
                listeners:
                  web: {address: "127.0.0.1:\(port)"}
                routes:
                  - name: main
                    to: app
                    request: {set: {X-Rule: "{client_ip}"}, path: {strip_prefix: /in}}
                    mirror: {pool: copies\(mirror.isEmpty ? "" : ", " + mirror)}
                    timeout: {connect: 300ms, response: 400ms}
                pools:
                  app: {endpoints: ["\(app)"]}
                  copies: {endpoints: ["\(copies)"]\(pool.isEmpty ? "" : ", " + pool)}
                """)
            return (site, port)
        }

        private func outcome(_ outcome: String, _ site: Site) throws -> Double {
            try site.metric(
                "sluice_mirror_requests_total", ["route": "main", "pool": "copies", "outcome": outcome])
        }

        private func dropped(_ reason: String, _ site: Site) throws -> Double {
            try site.metric("sluice_mirror_dropped_total", ["route": "main", "pool": "copies", "reason": reason])
        }

        private func holdsNothing(_ site: Site) throws {
            try Eventually.holds("no copy and no buffer left") {
                try site.metric("sluice_mirror_in_flight") == 0 && site.metric("sluice_node_buffers") == 0
            }
        }

        @Test("the copy is the request that the endpoint gets: head, body, id; its answer goes nowhere")
        func same() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let copies = try lab.http("copies") { _ in .response("not this", status: "500 Not this") }
                let (site, port) = try site(lab, to: app.address, copies: copies.address)
                let body = String(repeating: "0123456789", count: 5000)
                let requests = [
                    "GET /in/a?b=c HTTP/1.1\r\nHost: a\r\nX-Own: 1\r\n\r\n",
                    "PUT /in/length HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)",
                    "POST /in/chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;ext\r\nhello\r\n"
                        + "3\r\nyou\r\n0\r\nX-Trailer: 1\r\n\r\n",
                    "DELETE /in/old HTTP/1.0\r\n\r\n",
                ]
                for (index, request) in requests.enumerated() {
                    let client = try HTTPConnection(to: port)
                    let answer = try client.exchange(request)
                    #expect(answer.status == 200 && answer.text == "app")
                    try Eventually.holds("the copy of \(request.prefix(12))") { copies.requests.count == index + 1 }
                    let (original, copy) = (try #require(app.requests.last), copies.requests[index])
                    // A client of HTTP/1.0 names no host: then the endpoint itself is named.
                    if index < 3 { #expect(copy.head.raw == original.head.raw) }
                    #expect(copy.head.startLine == original.head.startLine)
                    #expect(copy.head["X-Request-Id"] == original.head["X-Request-Id"])
                    #expect(copy.head["X-Rule"] == "127.0.0.1")
                    #expect(copy.body == original.body)
                }
                #expect(copies.requests.map(\.head.target) == ["/a?b=c", "/length", "/chunks", "/old"])
                #expect(copies.accepted == 1, "its connection is used again")
                try Eventually.holds("the copies to be counted") { try outcome("answered", site) == 4 }
                #expect(
                    try site.metric(
                        "sluice_endpoint_requests_total",
                        ["pool": "copies", "code": "500", "endpoint": copies.address]) == 4)
                #expect(try site.metric("sluice_requests_total", ["code": "500"]) == 0)
                try holdsNothing(site)
            }
        }

        @Test("a body that comes in pieces is copied when it is whole; Expect is not")
        func pieces() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let copies = try lab.http("copies")
                let (site, port) = try site(lab, to: app.address, copies: copies.address)
                let client = try HTTPConnection(to: port)
                try client.socket.send(
                    "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
                #expect(try client.responseHead().status == 100)
                for piece in ["one", "two", "tri"] {
                    #expect(copies.accepted == 0, "nothing is sent before all of it is there")
                    try client.socket.send(piece)
                    try Eventually.holds("\(piece) at the endpoint") {
                        app.endpoint.receivedText.contains(piece)
                    }
                }
                #expect(try client.response().text == "app")
                try Eventually.holds("the copy") { copies.requests.count == 1 }
                #expect(copies.requests[0].text == "onetwotri")
                #expect(copies.requests[0].head["Expect"] == nil && app.requests[0].head["Expect"] != nil)
                try holdsNothing(site)
            }
        }

        @Test(
            "body: one byte more is not copied, with a length or in chunks; the request is", arguments: [true, false])
        func size(isChunked: Bool) throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let copies = try lab.http("copies")
                let bound = 200_000
                let (site, port) = try site(lab, to: app.address, copies: copies.address, "body: \(bound)")
                // "30d34" CRLF … CRLF "0" CRLF CRLF: the framing counts.
                let framing = isChunked ? 14 : 0
                for (extra, copied) in [(-1, 1), (0, 2), (1, 2)] {
                    let body = String(repeating: "b", count: bound + extra - framing)
                    let client = try HTTPConnection(to: port)
                    let answer = try client.exchange(
                        isChunked
                            ? "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                + "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
                            : "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
                    #expect(answer.status == 200)
                    #expect(app.requests.last?.body.count == body.utf8.count)
                    try Eventually.holds("\(copied) copies, or one that is dropped") {
                        let isDropped = extra > 0 ? 1 : 0
                        return try outcome("answered", site) == Double(copied)
                            && dropped("size", site) == Double(isDropped)
                    }
                    #expect(copies.requests.count == copied)
                    if extra <= 0 { #expect(copies.requests.last?.body.count == body.utf8.count) }
                }
                try holdsNothing(site)
            }
        }

        @Test("copies that hang neither slow nor fail requests; no more than in_flight are under way")
        func hanging() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let copies = try lab.scripted { connection in while !(try connection.receive().isEmpty) {} }
                let (site, port) = try site(lab, to: app.address, copies: copies.address, "in_flight: 2")
                let client = try HTTPConnection(to: port)
                let clock = ContinuousClock()
                let start = clock.now
                for _ in 0..<20 { #expect(try client.request("/").status == 200) }
                // 700 ms is what a copy may take: a client that waited for one would have seen that.
                #expect(clock.now - start < .milliseconds(700))
                #expect(copies.accepted == 2)
                try Eventually.holds("those that hang to be given up") { try outcome("failed", site) == 2 }
                #expect(try dropped("in-flight", site) == 18)
                #expect(try site.metric("sluice_requests_total", ["code": "200"]) == 20)
                // There is room again.
                #expect(try client.request("/").status == 200)
                try Eventually.holds("another copy") { copies.accepted == 3 }
                try Eventually.holds("that one to be given up") { try outcome("failed", site) == 3 }
                try holdsNothing(site)
            }
        }

        @Test("a pool that refuses, or breaks off: requests are served, copies are counted as failed")
        func broken() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let copies = try lab.scripted { connection in
                    _ = try connection.receive()
                    connection.socket.reset()
                }
                let (site, port) = try site(lab, to: app.address, copies: copies.address)
                let client = try HTTPConnection(to: port)
                for _ in 0..<5 { #expect(try client.request("/").status == 200) }
                try Eventually.holds("the copies that broke") { try outcome("failed", site) == 5 }
                copies.stop()
                for _ in 0..<5 { #expect(try client.request("/").status == 200) }
                try Eventually.holds("the copies that were refused") { try outcome("failed", site) == 10 }
                try holdsNothing(site)
            }
        }

        @Test("connections.max of the copies' pool holds for them; a copy never waits for a connection")
        func bounded() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let gate = Gate()
                let copies = try lab.http("copies") { _ in
                    try gate.wait()
                    return .response("late")
                }
                let (site, port) = try site(
                    lab, to: app.address, copies: copies.address, pool: "connections: {max: 1}")
                let client = try HTTPConnection(to: port)
                for _ in 0..<3 { #expect(try client.request("/").status == 200) }
                try Eventually.holds("two without room") { try dropped("no-endpoint", site) == 2 }
                gate.open()
                try Eventually.holds("the first to be answered") { try outcome("answered", site) == 1 }
                #expect(copies.accepted == 1)
                #expect(try client.request("/").status == 200)
                try Eventually.holds("room again") { try outcome("answered", site) == 2 }
                try holdsNothing(site)
            }
        }

        @Test("a client that goes away before its body is whole leaves no copy")
        func unfinished() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let copies = try lab.http("copies")
                let (site, port) = try site(lab, to: app.address, copies: copies.address)
                let client = try HTTPConnection(to: port)
                try client.socket.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
                try Eventually.holds("half of it at the endpoint") { app.endpoint.receivedText.hasSuffix("half") }
                client.socket.reset()
                try Eventually.holds("the copy to be dropped") { try dropped("unfinished", site) == 1 }
                #expect(copies.accepted == 0)
                try holdsNothing(site)
            }
        }

        @Test("long answers to copies are read up to 1 MiB; then the connection is closed")
        func longAnswer() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let copies = try lab.http("copies") { request in
                    let count = request.head.target == "/long" ? 3_000_000 : 900_000
                    return .response(String(repeating: "x", count: count))
                }
                let (site, port) = try site(lab, to: app.address, copies: copies.address)
                let client = try HTTPConnection(to: port)
                for (number, target) in ["/short", "/long", "/short"].enumerated() {
                    #expect(try client.request(target).text == "app")
                    try Eventually.holds("the answer of \(target)") {
                        try outcome("answered", site) == Double(number + 1)
                    }
                }
                #expect(copies.accepted == 2, "the short one leaves its connection, the long one doesn't")
                try holdsNothing(site)
            }
        }

        @Test("share: some of many requests, and all of them at 100%", arguments: ["100%", "25%"])
        func share(share: String) throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let copies = try lab.http("copies")
                let (site, port) = try site(lab, to: app.address, copies: copies.address, "share: \(share)")
                let client = try HTTPConnection(to: port)
                let count = 400
                for _ in 0..<count { #expect(try client.request("/").status == 200) }
                var last = -1.0
                try Eventually.holds("the last copy", every: .milliseconds(50)) {
                    let now = try outcome("answered", site)
                    defer { last = now }
                    return try now == last && site.metric("sluice_mirror_in_flight") == 0
                }
                #expect(try dropped("in-flight", site) == 0)
                // Of 400 with a chance of 1/4: fewer than 40 or more than 160 has one of 10⁻¹².
                let expected = share == "100%" ? count...count : 40...160
                #expect(expected.contains(copies.requests.count), "\(copies.requests.count)")
            }
        }
    }
}
