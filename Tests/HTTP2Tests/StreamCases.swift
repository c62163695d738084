/// States and numbers of streams, errors: §5.
enum StreamCases {
    private static let open = Frame.head(1, Fields.post, ends: false)
    private static let halfClosed = Frame.head(1, Fields.get)
    private static let openEvent = "1 head POST /a HTTP/1.1|host: shop.example|transfer-encoding: chunked|| …"
    private static let getEvents = ["1 head GET /a?b=c HTTP/1.1|host: shop.example||", "1 end"]

    static let all: [ConformanceCase] = [
        .init("5.1", "idle: DATA", [.data(1, "a", ends: true)], .goAway([Code.proto])),
        .init("5.1", "idle: RST_STREAM", [.reset(1)], .goAway([Code.proto])),
        .init("5.1", "idle: WINDOW_UPDATE", [.window(1, 100)], .goAway([Code.proto])),
        .init(
            "5.1", "idle: CONTINUATION", [Frame(.continuation, Frame.endHeaders, stream: 1, Fields.encode(Fields.get))],
            .goAway([Code.proto])),
        .init(
            "5.1", "idle: PRIORITY is passed over", [Frame(.priority, stream: 1, [0, 0, 0, 0, 16]), halfClosed],
            .seen(getEvents)),
        .init(
            "5.1", "half-closed (remote): DATA", [halfClosed, .data(1, "a", ends: true)],
            .reset(1, [Code.streamClosed])),
        .init(
            "5.1", "half-closed (remote): HEADERS", [halfClosed, .head(1, Fields.get)], .reset(1, [Code.streamClosed])),
        .init(
            "5.1", "half-closed (remote): CONTINUATION",
            [halfClosed, Frame(.continuation, Frame.endHeaders, stream: 1, Fields.encode(Fields.get))],
            .goAway([Code.proto, Code.streamClosed])),
        .init(
            "5.1", "half-closed (remote): WINDOW_UPDATE and PRIORITY are allowed",
            [halfClosed, .window(1, 5), Frame(.priority, stream: 1, [0, 0, 0, 0, 16])],
            .seen(getEvents + ["1 writable"])),
        .init(
            "5.1", "closed by RST_STREAM: DATA is not passed on", [open, .reset(1), .data(1, "a", ends: true)],
            .seen([openEvent, "1 reset 8"])),
        .init(
            "5.1", "closed by RST_STREAM: HEADERS", [open, .reset(1), .head(1, Fields.get)],
            .reset(1, [Code.streamClosed, Code.proto])),
        .init(
            "5.1", "closed by RST_STREAM: CONTINUATION",
            [open, .reset(1), Frame(.continuation, Frame.endHeaders, stream: 1, Fields.encode(Fields.get))],
            .goAway([Code.proto, Code.streamClosed])),
        .init(
            "5.1", "closed by RST_STREAM: WINDOW_UPDATE and another RST_STREAM are passed over",
            [open, .reset(1), .window(1, 1), .reset(1)], .seen([openEvent, "1 reset 8"])),
        .init("5.1", "open: PING in between", [open, .ping, .data(1, "a", ends: true)], .answer(.ping)),
        .init("5.1.1", "a stream with an even number", [.head(2, Fields.get)], .goAway([Code.proto])),
        .init(
            "5.1.1", "a number below one that was used", [.head(5, Fields.get), .head(3, Fields.get)],
            .goAway([Code.proto, Code.streamClosed])),
        .init(
            "5.1.1", "numbers may be left out", [.head(7, Fields.get)],
            .seen(["7 head GET /a?b=c HTTP/1.1|host: shop.example||", "7 end"])),
        .init(
            "5.1.1", "the largest number", [.head(0x7fff_ffff, Fields.get)],
            .seen(["2147483647 head GET /a?b=c HTTP/1.1|host: shop.example||", "2147483647 end"])),
        .init("5.1.1", "stream 0", [.head(0, Fields.get)], .goAway([Code.proto])),
        .init(
            "5.1.2", "one stream more than SETTINGS_MAX_CONCURRENT_STREAMS",
            (0..<129).map { .head(UInt32($0 * 2 + 1), Fields.get) }, .reset(257, [Code.refused, Code.proto])),
        .init(
            "5.3.2", "a dependency on itself (RFC 7540 §5.3.1)",
            [Frame(.headers, 5 | Frame.hasPriority, stream: 1, [0, 0, 0, 1, 255] + Fields.encode(Fields.get))],
            .reset(1, [Code.proto])),
        .init(
            "5.3.2", "a PRIORITY frame that depends on itself is passed over",
            [Frame(.priority, stream: 1, [0, 0, 0, 1, 255]), halfClosed], .seen(getEvents)),
        .init(
            "5.3.2", "priorities in HEADERS are passed over",
            [Frame(.headers, 5 | Frame.hasPriority, stream: 1, [0x80, 0, 0, 0, 255] + Fields.encode(Fields.get))],
            .seen(getEvents)),
        .init(
            "5.4.1", "nothing behind a connection error is looked at", [.data(1, "a"), .head(3, Fields.get)],
            .goAway([Code.proto])),
        .init(
            "5.4.2", "other streams go on after a stream error",
            [.head(1, [(":method", "GET")]), .head(3, Fields.get)], .reset(1, [Code.proto])),
        .init(
            "5.5", "an unknown frame on a stream is passed over",
            [open, Frame(type: 0xfe, stream: 1, [1]), .data(1, "a")],
            .seen([openEvent, "1 data a"])),
        .init(
            "5.5", "an unknown frame inside a header block",
            [
                Frame(.headers, Frame.endStream, stream: 1, Fields.encode(Fields.get)),
                Frame(type: 0x16, stream: 1, [0]),
            ],
            .goAway([Code.proto])),
    ]
}
