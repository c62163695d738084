/// HTTP messages: §8, and what goes on as HTTP/1.1.
enum MessageCases {
    private typealias Pairs = [(String, String)]
    private static let get: Pairs = Fields.get
    private static let head = "GET /a?b=c HTTP/1.1|host: shop.example|"
    private static let open = "1 head POST /a HTTP/1.1|host: shop.example|"

    /// `get` with one pseudo-field set, or left out.
    private static func with(_ name: String, _ value: String?) -> Pairs {
        get.compactMap { $0.0 == name ? value.map { (name, $0) } : $0 }
    }

    /// A request with a body in DATA frames.
    private static func body(_ length: String?, _ parts: [String]) -> [Frame] {
        let fields = Fields.post + (length.map { [("content-length", $0)] } ?? [])
        return [.head(1, fields, ends: parts.isEmpty)]
            + parts.enumerated().map { .data(1, $0.element, ends: $0.offset == parts.count - 1) }
    }

    static let all = bodies + names + values + connection + pseudo + targets + cookies + connects

    private static let bodies: [ConformanceCase] = [
        .init(
            "8.1", "a second HEADERS frame that doesn't end the stream",
            [.head(1, Fields.post, ends: false), .head(1, [("x", "y")], ends: false)], .reset(1, [Code.proto])),
        .init(
            "8.1", "trailers",
            [.head(1, Fields.post, ends: false), .data(1, "a"), .head(1, [("x-sum", "5")])],
            .seen([open + "transfer-encoding: chunked|| …", "1 data a", "1 trailers x-sum: 5|", "1 end"])),
        .init(
            "8.1", "a pseudo-field in trailers",
            [.head(1, Fields.post, ends: false), .head(1, [(":path", "/")])], .reset(1, [Code.proto])),
        .init(
            "8.1", "an unknown pseudo-field in trailers",
            [.head(1, Fields.post, ends: false), .head(1, [(":x", "/")])], .reset(1, [Code.proto])),
        .init(
            "8.1", "a field of the connection in trailers",
            [.head(1, Fields.post, ends: false), .head(1, [("connection", "close")])], .reset(1, [Code.proto])),
        .init(
            "8.1.1", "a body of the stated length", body("3", ["abc"]),
            .seen([open + "content-length: 3|| …", "1 data abc", "1 end"])),
        .init("8.1.1", "a body shorter than stated", body("4", ["abc"]), .reset(1, [Code.proto])),
        .init("8.1.1", "a body longer than stated", body("2", ["abc"]), .reset(1, [Code.proto])),
        .init("8.1.1", "a body in two frames longer than stated", body("3", ["ab", "cd"]), .reset(1, [Code.proto])),
        .init("8.1.1", "a stated length without a body", body("3", []), .reset(1, [Code.proto])),
        .init(
            "8.1.1", "a length of 0 without a body", body("0", []),
            .seen([open + "content-length: 0||", "1 end"])),
        .init("8.1.1", "a length that is no number", body("3x", ["abc"]), .reset(1, [Code.proto])),
        .init("8.1.1", "a length with a sign", body("+3", ["abc"]), .reset(1, [Code.proto])),
        .init(
            "8.1.1", "two lengths",
            [.head(1, Fields.post + [("content-length", "3"), ("content-length", "3")], ends: false)],
            .reset(1, [Code.proto])),
        .init(
            "8.1.1", "a body without a length is chunked", body(nil, ["abc"]),
            .seen([open + "transfer-encoding: chunked|| …", "1 data abc", "1 end"])),
    ]

    private static let names: [ConformanceCase] = [
        .malformed("8.2.1", "a name with a capital", get + [("X-Test", "a")]),
        .malformed("8.2.1", "a name with a space", get + [("x test", "a")]),
        .malformed("8.2.1", "a name with a colon", get + [("x:test", "a")]),
        .malformed("8.2.1", "a name with CR", get + [("x\r", "a")]),
        .malformed("8.2.1", "a name with a line of HTTP/1.1", get + [("x: y\r\nevil", "a")]),
        .malformed("8.2.1", "a name with NUL", get + [("x\0", "a")]),
        .malformed("8.2.1", "a name beyond ASCII", get + [("xé", "a")]),
        .malformed("8.2.1", "an empty name", get + [("", "a")]),
        .malformed("8.2.1", "a name with DEL", get + [("x\u{7f}", "a")]),
    ]

    private static let values: [ConformanceCase] = [
        .malformed("8.2.1", "a value with LF", get + [("x", "a\nb")]),
        .malformed("8.2.1", "a value with CR", get + [("x", "a\rb")]),
        .malformed("8.2.1", "a value with a line of HTTP/1.1", get + [("x", "a\r\nevil: b")]),
        .malformed("8.2.1", "a value with the end of a head", get + [("x", "a\r\n\r\nGET / HTTP/1.1")]),
        .malformed("8.2.1", "a value with NUL", get + [("x", "a\0b")]),
        .malformed("8.2.1", "a value that begins with a space", get + [("x", " a")]),
        .malformed("8.2.1", "a value that ends with a space", get + [("x", "a ")]),
        .malformed("8.2.1", "a value that begins with a tab", get + [("x", "\ta")]),
        .malformed("8.2.1", "a value that ends with a tab", get + [("x", "a\t")]),
        .malformed("8.2.1", "a value with another control character", get + [("x", "a\u{1}b")]),
        .passes("8.2.1", "a value with a tab inside", get + [("x", "a\tb")], as: head + "x: a\tb|"),
        .passes("8.2.1", "a value beyond ASCII", get + [("x", "é")], as: head + "x: é|"),
        .passes("8.2.1", "an empty value", get + [("x", "")], as: head + "x: |"),
    ]

    private static let connection: [ConformanceCase] =
        [
            ("connection", "close"), ("keep-alive", "timeout=5"), ("proxy-connection", "keep-alive"),
            ("transfer-encoding", "chunked"), ("upgrade", "h2c"), ("te", "gzip"), ("te", "trailers, deflate"),
        ].map { .malformed("8.2.2", "\($0.0): \($0.1)", get + [$0]) } + [
            .passes("8.2.2", "te: trailers", get + [("te", "trailers")], as: head + "te: trailers|connection: te|")
        ]

    private static let pseudo: [ConformanceCase] = [
        .malformed("8.3", "an unknown pseudo-field", get + [(":test", "a")]),
        .malformed("8.3", "a pseudo-field of responses", get + [(":status", "200")]),
        .malformed("8.3", "a pseudo-field behind a field", Array(get.dropLast()) + [("x", "y"), (":path", "/")]),
        .malformed("8.3.1", "no :method", with(":method", nil)),
        .malformed("8.3.1", "no :scheme", with(":scheme", nil)),
        .malformed("8.3.1", "no :path", with(":path", nil)),
        .malformed("8.3.1", "no pseudo-field at all", [("host", "shop.example")]),
        .malformed("8.3.1", "an empty :path", with(":path", "")),
        .malformed("8.3.1", "an empty :authority", with(":authority", "")),
        .malformed("8.3.1", ":method twice", [(":method", "GET")] + get),
        .malformed("8.3.1", ":scheme twice", [(":scheme", "http")] + get),
        .malformed("8.3.1", ":path twice", [(":path", "/b")] + get),
        .malformed("8.3.1", ":authority twice", [(":authority", "shop.example")] + get),
        .malformed("8.3.1", ":method with a space", with(":method", "GET /admin HTTP/1.1")),
        .malformed("8.3.1", ":method with a line end", with(":method", "GET\r\nx:")),
        .malformed("8.3.1", "an empty :method", with(":method", "")),
        .malformed("8.3.1", "a scheme that isn't served", with(":scheme", "ftp")),
        .malformed("8.3.1", ":authority and another host", get + [("host", "other.example")]),
        .malformed("8.3.1", ":authority with a space", with(":authority", "shop.example evil")),
        .malformed("8.3.1", ":authority with a line end", with(":authority", "shop.example\r\nx: y")),
        .malformed("8.3.1", "two host fields", with(":authority", nil) + [("host", "a"), ("host", "a")]),
        .passes("8.3.1", ":authority and the same host", get + [("host", "shop.example")], as: head),
        .passes("8.3.1", ":authority and the same host in capitals", get + [("host", "SHOP.example")], as: head),
        .passes(
            "8.3.1", "host instead of :authority", with(":authority", nil) + [("host", "shop.example")],
            as: "GET /a?b=c HTTP/1.1|host: shop.example|"),
        .passes("8.3.1", "pseudo-fields in another order", get.reversed(), as: head),
        .passes("8.3.1", "https", with(":scheme", "https"), as: head),
    ]

    private static let targets: [ConformanceCase] = [
        .malformed("8.3.1", ":path with a space", with(":path", "/a b")),
        .malformed("8.3.1", ":path with a version and a line end", with(":path", "/ HTTP/1.1\r\nx: y")),
        .malformed("8.3.1", ":path with LF", with(":path", "/a\n")),
        .malformed("8.3.1", ":path with NUL", with(":path", "/\0")),
        .malformed("8.3.1", ":path without a slash", with(":path", "a")),
        .malformed("8.3.1", ":path in absolute form", with(":path", "http://other.example/")),
        .malformed("8.3.1", "* with GET", with(":path", "*")),
        .passes(
            "8.3.1", "* with OPTIONS",
            [(":method", "OPTIONS"), (":scheme", "http"), (":authority", "shop.example"), (":path", "*")],
            as: "OPTIONS * HTTP/1.1|host: shop.example|"),
    ]

    private static let cookies: [ConformanceCase] = [
        .passes(
            "8.2.3", "crumbs of a cookie become one field",
            get + [("cookie", "a=b"), ("cookie", "c=d"), ("cookie", "e=f")],
            as: head + "cookie: a=b; c=d; e=f|"),
        .passes(
            "8.2.3", "crumbs with a field between them", get + [("cookie", "a=b"), ("x", "y"), ("cookie", "c=d")],
            as: head + "cookie: a=b; c=d|x: y|"),
    ]

    private static let connects: [ConformanceCase] = [
        .passes(
            "8.5", "CONNECT", [(":method", "CONNECT"), (":authority", "shop.example:443")],
            as: "CONNECT shop.example:443 HTTP/1.1|host: shop.example:443|"),
        .malformed(
            "8.5", "CONNECT with :scheme and :path",
            [(":method", "CONNECT"), (":scheme", "http"), (":authority", "a:1"), (":path", "/")]),
        .malformed("8.5", "CONNECT without :authority", [(":method", "CONNECT")]),
        .init(
            "8.5", "RFC 8441 §5: CONNECT for WebSocket",
            [
                .head(
                    1,
                    [
                        (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/chat"),
                        (":authority", "shop.example"), ("sec-websocket-version", "13"),
                    ], ends: false)
            ],
            .seen([
                "1 head GET /chat HTTP/1.1|host: shop.example|upgrade: websocket|connection: upgrade|sec-websocket-key: c2x1aWNlLWgyLXdzLWtleQ==|sec-websocket-version: 13|| …"
            ])),
        .malformed("8.5", "RFC 8441 §4: :protocol with GET", [(":protocol", "websocket")] + get),
        .malformed(
            "8.5", "RFC 8441 §4: :protocol without :path",
            [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", "a")]),
        .malformed(
            "8.5", "RFC 8441 §4: :protocol with a line end",
            [
                (":method", "CONNECT"), (":protocol", "websocket\r\nx: y"), (":scheme", "https"), (":authority", "a"),
                (":path", "/"),
            ]),
    ]
}
