import EventLoop
import HTTP1
import HTTPMessage
import Snapshot
import Testing

@testable import Proxy

/// Parses a head, composes what goes out, and gives it as lines.
private func composedRequest(
    _ lines: [String], rules: HeaderRules = HeaderRules(), rewrite: TargetRewrite = TargetRewrite(),
    trusting: AddressRange? = nil, statesForwarded: Bool = false, client: String = "192.0.2.7:4711",
    isEarly: Bool = false
) -> [String] {
    let bytes = [UInt8]((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    var head = RequestHead()
    var fields = FieldTable()
    let limits = HeadLimits(headBytesMax: 32_768, fieldCountMax: 100)
    let outcome = head.parse(bytes.span, limits: limits, fields: &fields)
    #expect(outcome == .complete)
    let arena = Arena()
    var writer = HeadWriter()
    let peer = IPEndpoint(client)!
    let origin =
        if let trusting, trusting.contains(peer) {
            RequestOrigin(peer: peer, bytes.span, fields) { trusting.contains($0) }
        } else { RequestOrigin(client: peer) }
    var facts = RequestFacts(
        peer: peer, endpoint: IPEndpoint("10.0.0.1:9000")!, origin: origin,
        id: RequestID(high: 0x0123_4567_89ab_cdef, low: 1), route: arena.make("main"),
        listener: arena.make("web"), statesForwarded: statesForwarded)
    facts.isEarly = isEarly
    bytes.withUnsafeBufferPointer {
        RequestComposer.write(
            head, $0.baseAddress!, fields, CompiledRules(rules, arena: arena),
            CompiledRewrite(rewrite, arena: arena), facts, into: &writer)
    }
    return text(writer).components
}

private func text(_ writer: borrowing HeadWriter) -> (components: [String], isOverfull: Bool) {
    let text = String(decoding: UnsafeBufferPointer(start: writer.bytes, count: writer.count), as: UTF8.self)
    #expect(text.hasSuffix("\r\n\r\n"))
    return (
        text.dropLast(2).split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init), writer.isOverfull
    )
}

private let ours = [
    "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: shop.example", "X-Real-IP: 192.0.2.7",
    "X-Request-Id: 0123456789abcdef0000000000000001", "Via: 1.1 sluice",
]

@Suite("Request heads to endpoints")
struct RequestComposerTests {
    @Test("end-to-end fields stay as they came, ours follow")
    func plain() {
        let lines = ["GET /a?b=c HTTP/1.1", "Host: shop.example", "accept:  text/html ", "Cookie: x=1"]
        #expect(composedRequest(lines) == lines + ours)
    }

    @Test(
        "early data is said once, whatever the client says of it; outside of it the client's word stays, RFC 8470 §5.1")
    func earlyData() {
        let lines = ["GET / HTTP/1.1", "Host: shop.example"]
        let own = ["Early-Data: 0", "eARLY-dATA: 1", "Early-Dato: 1"]
        #expect(composedRequest(lines + own, isEarly: true) == lines + ["Early-Dato: 1"] + ours + ["Early-Data: 1"])
        #expect(composedRequest(lines + own) == lines + own + ours)
    }

    @Test("hop-by-hop fields and those that Connection names are left out, RFC 9110 §7.6.1")
    func hopByHop() {
        let received = [
            "GET / HTTP/1.1", "Connection: keep-alive, X-Private ,close", "Host: shop.example", "Keep-Alive: 5",
            "x-private: 1", "TE: trailers", "Upgrade: websocket", "Proxy-Connection: close", "X-Public: 1",
        ]
        #expect(composedRequest(received) == ["GET / HTTP/1.1", "Host: shop.example", "X-Public: 1"] + ours)
    }

    @Test("Connection can't take Host or the framing away")
    func connectionNamesFraming() {
        let received = [
            "POST / HTTP/1.1", "Host: shop.example", "Content-Length: 3", "Connection: host, content-length",
        ]
        #expect(composedRequest(received) == Array(received.prefix(3)) + ours)
    }

    @Test("Connection can't have the proxy's own fields taken away, also not those of a trusted proxy")
    func connectionNamesForwarding() {
        let names = "X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, X-Real-IP, X-Request-Id, Via"
        let received = ["GET / HTTP/1.1", "Host: shop.example", "Connection: \(names)"]
        #expect(composedRequest(received) == Array(received.prefix(2)) + ours)
        let claims = ["X-Real-IP: 203.0.113.9", "X-Request-Id: abc", "X-Forwarded-Proto: https", "Via: 1.0 edge"]
        #expect(
            composedRequest(received + claims, trusting: AddressRange("192.0.2.0/24")!) == Array(received.prefix(2))
                + claims + [
                    "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Host: shop.example", "Via: 1.1 sluice",
                ])
    }

    @Test(
        "what only looks like a field of ours is left out, whoever sends it; other names pass",
        arguments: [false, true])
    func lookalikes(isTrusted: Bool) {
        let lookalikes = ["X_Forwarded_For: a", "x.real.ip: a", "Content_Length: 5", "X_Forwarded_Port: 1"]
        let received = ["GET / HTTP/1.1", "Host: shop.example", "my_field: 1"]
        #expect(
            composedRequest(received + lookalikes, trusting: isTrusted ? AddressRange("192.0.2.0/24")! : nil)
                == received + ours)
    }

    @Test("fields of forwarding that the proxy doesn't set itself are passed from trusted proxies only")
    func otherForwarding() {
        let received = ["GET / HTTP/1.1", "Host: shop.example"]
        let others = ["X-Forwarded-Port: 443", "x-forwarded-prefix: /a", "Forwarded: for=192.0.2.1"]
        #expect(composedRequest(received + others) == received + ours)
        #expect(composedRequest(received + others, trusting: AddressRange("192.0.2.0/24")!) == received + others + ours)
    }

    @Test("what a rule sets or removes can't be brought in by another spelling")
    func rulesAndLookalikes() {
        let rules = HeaderRules(set: [HeaderRule(name: "X-User", value: [.literal("nobody")])], remove: ["x-secret"])
        let received = ["GET / HTTP/1.1", "Host: shop.example", "X_User: root", "x.SECRET: 1", "X-Users: a"]
        #expect(
            composedRequest(received, rules: rules) == [received[0], received[1], received[4]] + ours + [
                "X-User: nobody"
            ])
    }

    @Test(
        "Host and framing go out in one spelling",
        arguments: [
            (["Host:shop.example", "Content-Length: 5"], ["Content-Length: 5", "Host: shop.example"]),
            (["Host: shop.example ", "content-length: 5"], ["content-length: 5", "Host: shop.example"]),
            (["Host: shop.example", "Content-Length:\t5"], ["Host: shop.example", "Content-Length: 5"]),
            (
                ["Host: shop.example", "Content-Length: 005", "A: b"],
                ["Host: shop.example", "A: b", "Content-Length: 5"]
            ),
            (["Host: shop.example", "Content-Length: 0"], ["Host: shop.example", "Content-Length: 0"]),
            (
                ["Transfer-Encoding: Chunked", "Host: shop.example"],
                ["Host: shop.example", "Transfer-Encoding: chunked"]
            ),
            (
                ["transfer-encoding: chunked", "Host: shop.example"],
                ["transfer-encoding: chunked", "Host: shop.example"]
            ),
        ])
    func spelling(received: [String], expected: [String]) {
        #expect(composedRequest(["POST / HTTP/1.1"] + received) == ["POST / HTTP/1.1"] + expected + ours)
    }

    @Test(
        "the endpoint gets the path in its normal form, the query as it came",
        arguments: [
            ("/a/../b?c=/../d", "/b?c=/../d"), ("/%61/%2e%2E/?%61", "/?%61"), ("//a/./b", "//a/b"),
            ("http://shop.example/a/../b", "/b"), ("http://shop.example?a/../b", "/?a/../b"), ("/%2f?", "/%2f?"),
        ])
    func normalPath(target: String, expected: String) {
        let lines = composedRequest(["GET \(target) HTTP/1.1", "Host: shop.example"])
        #expect(lines.first == "GET \(expected) HTTP/1.1")
    }

    @Test("a client of HTTP/1.0 that names no host means the endpoint, RFC 9112 §3.2")
    func noHost() {
        let expected = ["GET / HTTP/1.1", "Host: 10.0.0.1:9000"] + ours.filter { !$0.hasPrefix("X-Forwarded-Host") }
        #expect(composedRequest(["GET / HTTP/1.0"]) == expected.dropLast() + ["Via: 1.0 sluice"])
    }

    @Test("a rule for Host replaces every Host, also that of an absolute target")
    func hostRule() {
        let rules = HeaderRules(set: [HeaderRule(name: "Host", value: [.literal("inside")])])
        for line in ["GET / HTTP/1.1", "GET http://shop.example/ HTTP/1.1"] {
            let lines = composedRequest([line, "Host:shop.example"], rules: rules)
            #expect(lines.filter { $0.hasPrefix("Host:") } == ["Host: inside"])
        }
    }

    @Test("what an untrusted client says of itself is replaced")
    func untrusted() {
        let received = [
            "GET / HTTP/1.1", "Host: shop.example", "X-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.1",
            "X-Forwarded-Proto: https", "X-Forwarded-Host: bank.example", "X-Request-Id: evil",
        ]
        #expect(composedRequest(received) == Array(received.prefix(2)) + ours)
    }

    @Test("a trusted proxy's list is continued, its other fields are kept")
    func trusted() {
        let received = [
            "GET / HTTP/1.1", "Host: shop.example", "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 203.0.113.10",
            "X-Forwarded-Proto: https", "X-Request-Id: abc",
        ]
        #expect(
            composedRequest(received, trusting: AddressRange("192.0.2.0/24")!) == [
                "GET / HTTP/1.1", "Host: shop.example", "X-Forwarded-Proto: https", "X-Request-Id: abc",
                "X-Forwarded-For: 203.0.113.9, 203.0.113.10, 192.0.2.7", "X-Forwarded-Host: shop.example",
                "X-Real-IP: 203.0.113.10", "Via: 1.1 sluice",
            ])
    }

    @Test(
        "what a trusted proxy says in a wrong form, or twice, is replaced",
        arguments: [
            ["X-Forwarded-Proto: gopher"], ["X-Forwarded-Host: a/b"], ["X-Real-IP: localhost"],
            ["X-Request-Id: <b>"], ["X-Request-Id: a", "X-Request-Id: b"],
            ["X-Forwarded-Proto: https", "X-Forwarded-Proto: https"],
            ["X-Request-Id: \(String(repeating: "a", count: 129))"],
        ])
    func trustedButOdd(claims: [String]) {
        let received = ["GET / HTTP/1.1", "Host: shop.example"]
        #expect(composedRequest(received + claims, trusting: AddressRange("192.0.2.0/24")!) == received + ours)
    }

    @Test("an id of 128 bytes is kept")
    func longestID() {
        let id = "X-Request-Id: \(String(repeating: "a", count: 128))"
        let lines = composedRequest(["GET / HTTP/1.1", "Host: h", id], trusting: AddressRange("192.0.2.0/24")!)
        #expect(lines.filter { $0.hasPrefix("X-Request-Id") } == [id])
    }

    @Test("Forwarded is stated when asked for, RFC 7239 §4")
    func forwarded() {
        let received = ["GET / HTTP/1.1", "Host: shop.example:8080", "Forwarded: for=203.0.113.9"]
        func forwarded(_ lines: [String]) -> [String] { lines.filter { $0.hasPrefix("Forwarded") } }
        let range = AddressRange("192.0.2.0/24")!
        #expect(forwarded(composedRequest(received)) == [])
        #expect(forwarded(composedRequest(received, trusting: range)) == ["Forwarded: for=203.0.113.9"])
        #expect(
            forwarded(composedRequest(received, statesForwarded: true)) == [
                "Forwarded: for=192.0.2.7;proto=http;host=\"shop.example:8080\";by=_sluice"
            ])
        #expect(
            forwarded(composedRequest(received, trusting: range, statesForwarded: true)) == [
                "Forwarded: for=203.0.113.9, for=192.0.2.7;proto=http;host=\"shop.example:8080\";by=_sluice"
            ])
        #expect(
            forwarded(
                composedRequest(
                    ["GET / HTTP/1.1", "Host: a-b.example"], statesForwarded: true, client: "[2001:db8::1]:99"))
                == ["Forwarded: for=\"[2001:db8::1]\";proto=http;host=a-b.example;by=_sluice"])
    }

    @Test("every variable of a request")
    func variables() {
        func value(_ part: ValuePart, _ received: [String], trusting: AddressRange? = nil) -> String? {
            let rules = HeaderRules(add: [HeaderRule(name: "X-V", value: [.literal("<"), part, .literal(">")])])
            return composedRequest(received, rules: rules, trusting: trusting).last
        }
        let received = [
            "POST /a%20b?x=1&y HTTP/1.1", "Host: shop.example:8080", "Accept: a", "X-Forwarded-Proto: https",
            "accept: b",
            "X-Forwarded-For: 203.0.113.9:77",
        ]
        let expected: [(ValuePart, String)] = [
            (.variable(.clientIP), "192.0.2.7"), (.variable(.clientPort), "4711"),
            (.variable(.host), "shop.example:8080"), (.variable(.hostname), "shop.example"),
            (.variable(.path), "/a%20b"), (.variable(.query), "x=1&y"), (.variable(.method), "POST"),
            (.variable(.scheme), "http"), (.variable(.route), "main"), (.variable(.listener), "web"),
            (.variable(.requestID), "0123456789abcdef0000000000000001"), (.field("accept"), "a, b"),
            (.field("accep"), ""), (.field("acceptx"), ""), (.field("host"), "shop.example:8080"),
        ]
        for (part, text) in expected { #expect(value(part, received) == "X-V: <\(text)>", "\(part)") }
        let range = AddressRange("192.0.2.0/24")!
        #expect(value(.variable(.scheme), received, trusting: range) == "X-V: <https>")
        #expect(value(.variable(.clientIP), received, trusting: range) == "X-V: <203.0.113.9>")
        #expect(value(.variable(.clientPort), received, trusting: range) == "X-V: <77>")
        let bare = ["GET http://[2001:db8::1]:80?q HTTP/1.1", "Host: x"]
        #expect(value(.variable(.path), bare) == "X-V: </>")
        #expect(value(.variable(.query), bare) == "X-V: <q>")
        #expect(value(.variable(.hostname), bare) == "X-V: <[2001:db8::1]>")
        #expect(value(.variable(.query), ["GET / HTTP/1.1", "Host: x"]) == "X-V: <>")
    }

    @Test("a rewritten target stands in the request line")
    func rewrite() {
        let rewrite = TargetRewrite(
            path: .prefixes(strip: "/api", add: "/v2"), set: [.init(name: "v", value: [.variable(.host)])])
        #expect(
            composedRequest(["GET http://shop.example/api/x?a HTTP/1.1", "Host: b"], rewrite: rewrite).first
                == "GET /v2/x?a&v=shop.example HTTP/1.1")
        #expect(
            composedRequest(["OPTIONS * HTTP/1.1", "Host: b"], rewrite: rewrite).first == "OPTIONS * HTTP/1.1")
    }

    @Test("an absolute target becomes origin form and its authority the Host, RFC 9112 §3.2.2")
    func absoluteForm() {
        #expect(
            composedRequest(["GET http://shop.example?q HTTP/1.1", "Host: bank.example", "A: b"])
                == ["GET /?q HTTP/1.1", "A: b", "Host: shop.example"] + ours)
    }

    @Test("HTTP/1.0 goes on as HTTP/1.1 and is said so in Via")
    func oldVersion() {
        #expect(
            composedRequest(["GET / HTTP/1.0", "Host: shop.example"])
                == ["GET / HTTP/1.1", "Host: shop.example"] + ours.dropLast() + ["Via: 1.0 sluice"])
    }

    @Test("rules remove, set and add, with variables")
    func rules() {
        let rules = HeaderRules(
            set: [HeaderRule(name: "X-Env", value: [.literal("prod")])],
            add: [
                HeaderRule(
                    name: "X-Seen",
                    value: [
                        .literal("by "), .variable(.clientIP), .literal("/"), .variable(.host), .variable(.requestID),
                    ])
            ],
            remove: ["cookie", "x-real-ip"])
        let received = ["GET / HTTP/1.1", "Host: shop.example", "COOKIE: a", "x-env: dev", "X-Env: test", "Cookies: b"]
        #expect(
            composedRequest(received, rules: rules)
                == ["GET / HTTP/1.1", "Host: shop.example", "Cookies: b"] + ours.filter { !$0.hasPrefix("X-Real-IP") }
                + [
                    "X-Env: prod", "X-Seen: by 192.0.2.7/shop.example0123456789abcdef0000000000000001",
                ])
    }

    @Test("IPv6 clients are named in canonical form")
    func version6() {
        let lines = composedRequest(["GET / HTTP/1.1", "Host: h"], client: "[2001:db8::0:1]:99")
        #expect(lines.contains("X-Forwarded-For: 2001:db8::1"))
    }
}

@Suite("Response heads to clients")
struct ResponseComposerTests {
    private func composed(
        _ lines: [String], rules: HeaderRules = HeaderRules(), closes: Bool = false, statesKeepAlive: Bool = false,
        dropsTransferEncoding: Bool = false
    ) -> [String] {
        let bytes = [UInt8]((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        var head = ResponseHead()
        var fields = FieldTable()
        let limits = HeadLimits(headBytesMax: 32_768, fieldCountMax: 100)
        let outcome = head.parse(bytes.span, limits: limits, fields: &fields)
        #expect(outcome == .complete)
        let arena = Arena()
        var writer = HeadWriter()
        var date = DateText()
        date.update(784_111_777)
        let facts = ResponseFacts(
            closes: closes, statesKeepAlive: statesKeepAlive, dropsTransferEncoding: dropsTransferEncoding)
        let request = ParsedRequest(["PUT /p HTTP/1.1", "Host: shop.example", "Origin: o"])
        bytes.withUnsafeBufferPointer {
            ResponseComposer.write(
                head, $0.baseAddress!, fields, CompiledRules(rules, arena: arena), facts, date: date,
                request: request.view(arena), into: &writer)
        }
        return text(writer).components
    }

    @Test("end-to-end fields stay, Date is added when it is missing, RFC 9110 §6.6.1")
    func plain() {
        #expect(
            composed(["HTTP/1.1 200 OK", "Content-Length: 2", "Server: origin"]) == [
                "HTTP/1.1 200 OK", "Content-Length: 2", "Server: origin", "Date: Sun, 06 Nov 1994 08:49:37 GMT",
            ])
        let dated = ["HTTP/1.1 204 No Content", "Date: Sun, 06 Nov 1994 08:49:37 GMT"]
        #expect(composed(dated) == dated)
    }

    @Test("the connection is ours: hop-by-hop fields out, close or keep-alive in")
    func connection() {
        let received = ["HTTP/1.0 200 OK", "Date: x", "Connection: keep-alive, A", "A: 1", "Keep-Alive: 5"]
        #expect(composed(received, closes: true) == ["HTTP/1.1 200 OK", "Date: x", "Connection: close"])
        #expect(composed(received, statesKeepAlive: true) == ["HTTP/1.1 200 OK", "Date: x", "Connection: keep-alive"])
    }

    @Test(
        "framing goes out in one spelling",
        arguments: [
            ("Content-Length:\t02 ", "Content-Length: 2"), ("Transfer-Encoding: CHUNKED", "Transfer-Encoding: chunked"),
        ])
    func spelling(field: String, expected: String) {
        #expect(composed(["HTTP/1.1 200 OK", field, "Date: x"]) == ["HTTP/1.1 200 OK", "Date: x", expected])
    }

    @Test("rules")
    func rules() {
        let rules = HeaderRules(
            set: [HeaderRule(name: "X-Frame-Options", value: [.literal("DENY")])], remove: ["server"])
        #expect(
            composed(["HTTP/1.1 200 OK", "Date: x", "Server: origin", "x-frame-options: ALLOW"], rules: rules) == [
                "HTTP/1.1 200 OK", "Date: x", "X-Frame-Options: DENY",
            ])
    }

    @Test("variables stand for the request and the status")
    func variables() {
        let rules = HeaderRules(
            add: [
                HeaderRule(
                    name: "X-V",
                    value: [
                        .variable(.status), .literal(" "), .variable(.method), .literal(" "), .field("origin"),
                        .literal(" "), .variable(.path),
                    ])
            ])
        #expect(
            composed(["HTTP/1.1 404 Gone Fishing", "Date: x"], rules: rules)
                == ["HTTP/1.1 404 Gone Fishing", "Date: x", "X-V: 404 PUT o /p"])
    }

    @Test("204 has no framing, RFC 9110 §8.6", arguments: ["Content-Length: 0", "Transfer-Encoding: chunked"])
    func noContent(framing: String) {
        #expect(composed(["HTTP/1.1 204 No Content", framing, "Date: x"]) == ["HTTP/1.1 204 No Content", "Date: x"])
    }

    @Test("chunk framing is dropped for HTTP/1.0 clients")
    func dropsChunked() {
        let received = ["HTTP/1.1 200 OK", "Date: x", "Transfer-Encoding: chunked"]
        #expect(composed(received) == received)
        #expect(
            composed(received, closes: true, dropsTransferEncoding: true) == [
                "HTTP/1.1 200 OK", "Date: x", "Connection: close",
            ])
    }
}
