/// Each type of frame: §6, and what error codes do: §7.
enum FrameCases {
    private static let open = Frame.head(1, Fields.post, ends: false)
    private static let openEvent = "1 head POST /a HTTP/1.1|host: shop.example|transfer-encoding: chunked|| …"
    private static let get = Frame.head(1, Fields.get)
    private static let getEvents = ["1 head GET /a?b=c HTTP/1.1|host: shop.example||", "1 end"]
    private static let block = Fields.encode(Fields.get)
    private static func set(_ id: UInt16, _ value: UInt32) -> [Frame] { [.settings([(id, value)])] }

    static let all = data + headers + small + settings + pings + windows + continuations

    private static let data: [ConformanceCase] = [
        .init("6.1", "DATA on stream 0", [.data(0, "a")], .goAway([Code.proto])),
        .init(
            "6.1", "padding as long as the frame", [open, Frame(.data, Frame.padded, stream: 1, [5, 1, 2, 3, 4])],
            .goAway([Code.proto])),
        .init(
            "6.1", "padding is left out",
            [open, Frame(.data, Frame.padded | Frame.endStream, stream: 1, [2, 0x61, 0, 0])],
            .seen([openEvent, "1 data a", "1 end"])),
        .init(
            "6.1", "no bytes and no end", [open, .data(1, ""), .data(1, "b", ends: true)],
            .seen([openEvent, "1 data b", "1 end"])),
        .init("6.1", "the end without bytes", [open, .data(1, "", ends: true)], .seen([openEvent, "1 end"])),
        .init(
            "6.1", "a padded frame without its length", [open, Frame(.data, Frame.padded, stream: 1)],
            .goAway([Code.frameSize, Code.proto])),
    ]

    private static let headers: [ConformanceCase] = [
        .init("6.2", "HEADERS on stream 0", [.head(0, Fields.get)], .goAway([Code.proto])),
        .init(
            "6.2", "padding longer than the frame",
            [Frame(.headers, 5 | Frame.padded, stream: 1, [UInt8(block.count + 1)] + block)], .goAway([Code.proto])),
        .init(
            "6.2", "padding is left out",
            [Frame(.headers, 5 | Frame.padded, stream: 1, [3] + block + [0, 0, 0])], .seen(getEvents)),
        .init(
            "6.2", "padding and priority",
            [Frame(.headers, 5 | Frame.padded | Frame.hasPriority, stream: 1, [1, 0, 0, 0, 0, 1] + block + [0])],
            .seen(getEvents)),
        .init(
            "6.2", "too short for the priority it announces",
            [Frame(.headers, 5 | Frame.hasPriority, stream: 1, [0, 0, 0])], .goAway([Code.frameSize, Code.proto])),
        .init(
            "6.2", "DATA instead of CONTINUATION",
            [Frame(.headers, Frame.endStream, stream: 1, block), .data(1, "a")], .goAway([Code.proto])),
    ]

    private static let small: [ConformanceCase] = [
        .init("6.3", "PRIORITY on stream 0", [Frame(.priority, stream: 0, [0, 0, 0, 0, 1])], .goAway([Code.proto])),
        .init(
            "6.3", "PRIORITY of four bytes", [open, Frame(.priority, stream: 1, [0, 0, 0, 1])],
            .reset(1, [Code.frameSize])),
        .init("6.4", "RST_STREAM on stream 0", [.reset(0)], .goAway([Code.proto])),
        .init(
            "6.4", "RST_STREAM of three bytes", [open, Frame(.reset, stream: 1, [0, 0, 0])], .goAway([Code.frameSize])),
        .init(
            "6.4", "RST_STREAM of five bytes", [open, Frame(.reset, stream: 1, [0, 0, 0, 0, 0])],
            .goAway([Code.frameSize])),
        .init("6.4", "RST_STREAM cancels", [open, .reset(1)], .seen([openEvent, "1 reset 8"])),
        .init(
            "6.6", "PUSH_PROMISE from a client",
            [open, Frame(.pushPromise, Frame.endHeaders, stream: 1, [0, 0, 0, 2] + block)], .goAway([Code.proto])),
        .init("7", "an unknown code in RST_STREAM", [open, .reset(1, 0xff)], .seen([openEvent, "1 reset 255"])),
        .init(
            "7", "an unknown code in GOAWAY", [Frame(.goAway, stream: 0, [0, 0, 0, 0, 0, 0, 0, 0xff])],
            .seen(["goaway"])),
    ]

    private static let settings: [ConformanceCase] = [
        .init(
            "6.5", "an acknowledgement with entries", [Frame(.settings, Frame.ack, [0, 4, 0, 0, 0, 1])],
            .goAway([Code.frameSize])),
        .init(
            "6.5", "SETTINGS on a stream", [open, Frame(.settings, stream: 1, [0, 4, 0, 0, 0, 1])],
            .goAway([Code.proto])),
        .init("6.5", "SETTINGS of three bytes", [Frame(.settings, [0, 4, 0])], .goAway([Code.frameSize])),
        .init("6.5.2", "ENABLE_PUSH of 2", set(2, 2), .goAway([Code.proto])),
        .init("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", set(4, 0x8000_0000), .goAway([Code.flowControl])),
        .init("6.5.2", "INITIAL_WINDOW_SIZE of 2^31 - 1", set(4, 0x7fff_ffff), .answer(.settings)),
        .init("6.5.2", "MAX_FRAME_SIZE of 16,383", set(5, 16_383), .goAway([Code.proto])),
        .init("6.5.2", "MAX_FRAME_SIZE of 16,384", set(5, 16_384), .answer(.settings)),
        .init("6.5.2", "MAX_FRAME_SIZE of 2^24 - 1", set(5, 16_777_215), .answer(.settings)),
        .init("6.5.2", "MAX_FRAME_SIZE of 2^24", set(5, 16_777_216), .goAway([Code.proto])),
        .init("6.5.2", "an unknown setting is passed over", set(0xff, 1) + [get], .seen(getEvents)),
        .init("6.5.2", "RFC 8441 §3: ENABLE_CONNECT_PROTOCOL of 2", set(8, 2), .goAway([Code.proto])),
        .init("6.5.2", "HEADER_TABLE_SIZE of 0", set(1, 0) + [get], .seen(getEvents)),
        .init("6.5.3", "the same setting twice", [.settings([(4, 100), (4, 1)])], .answer(.settings)),
        .init(
            "6.5.3", "an acknowledgement that nobody waits for",
            [Frame(.settings, Frame.ack), Frame(.settings, Frame.ack)].prefix(1).map { $0 } + [get], .seen(getEvents)),
    ]

    private static let pings: [ConformanceCase] = [
        .init("6.7", "PING is answered", [.ping], .answer(.ping)),
        .init(
            "6.7", "an acknowledgement isn't answered",
            [Frame(.ping, Frame.ack, [UInt8](repeating: 0, count: 8)), get], .seen(getEvents)),
        .init(
            "6.7", "PING on a stream", [Frame(.ping, stream: 1, [UInt8](repeating: 0, count: 8))], .goAway([Code.proto])
        ),
        .init("6.7", "PING of seven bytes", [Frame(.ping, [UInt8](repeating: 0, count: 7))], .goAway([Code.frameSize])),
        .init("6.7", "PING of nine bytes", [Frame(.ping, [UInt8](repeating: 0, count: 9))], .goAway([Code.frameSize])),
        .init(
            "6.8", "GOAWAY on a stream", [Frame(.goAway, stream: 1, [UInt8](repeating: 0, count: 8))],
            .goAway([Code.proto])),
        .init("6.8", "GOAWAY of four bytes", [Frame(.goAway, [0, 0, 0, 0])], .goAway([Code.frameSize])),
        .init(
            "6.8", "requests under way go on after GOAWAY",
            [open, Frame(.goAway, [UInt8](repeating: 0, count: 8)), .data(1, "a", ends: true)],
            .seen([openEvent, "goaway", "1 data a", "1 end"])),
    ]

    private static let windows: [ConformanceCase] = [
        .init("6.9", "an increment of 0 for the connection", [.window(0, 0)], .goAway([Code.proto])),
        .init("6.9", "an increment of 0 for a stream", [open, .window(1, 0)], .reset(1, [Code.proto])),
        .init(
            "6.9", "WINDOW_UPDATE of three bytes", [Frame(.windowUpdate, stream: 0, [0, 0, 1])],
            .goAway([Code.frameSize])),
        .init(
            "6.9", "WINDOW_UPDATE of five bytes", [Frame(.windowUpdate, stream: 0, [0, 0, 0, 0, 1])],
            .goAway([Code.frameSize])),
        .init(
            "6.9.1", "a connection's window beyond 2^31 - 1", [.window(0, 0x7fff_ffff), .window(0, 1)],
            .goAway([Code.flowControl])),
        .init(
            "6.9.1", "a stream's window beyond 2^31 - 1", [open, .window(1, 0x7fff_ffff)], .reset(1, [Code.flowControl])
        ),
        .init(
            "6.9.1", "a connection's window of 2^31 - 1", [.window(0, 0x7fff_ffff - 65_535), get], .seen(getEvents)),
        .init(
            "6.9.2", "SETTINGS that push a stream's window beyond 2^31 - 1",
            [open, .window(1, 100), .settings([(4, 0x7fff_ffff)])], .reset(1, [Code.flowControl])),
    ]

    private static let continuations: [ConformanceCase] = [
        .init(
            "6.10", "CONTINUATION on stream 0",
            [Frame(.headers, Frame.endStream, stream: 1, block), Frame(.continuation, Frame.endHeaders, stream: 0)],
            .goAway([Code.proto])),
        .init(
            "6.10", "CONTINUATION of another stream",
            [Frame(.headers, Frame.endStream, stream: 1, block), Frame(.continuation, Frame.endHeaders, stream: 3)],
            .goAway([Code.proto])),
        .init(
            "6.10", "CONTINUATION after the end of the block",
            [get, Frame(.continuation, Frame.endHeaders, stream: 1, block)], .goAway([Code.proto, Code.streamClosed])),
        .init(
            "6.10", "CONTINUATION after CONTINUATION with the end of the block",
            FramingCases.split(block, size: 12) + [Frame(.continuation, Frame.endHeaders, stream: 1)],
            .goAway([Code.proto, Code.streamClosed])),
        .init(
            "6.10", "CONTINUATION after DATA",
            [open, .data(1, "a"), Frame(.continuation, Frame.endHeaders, stream: 1)],
            .goAway([Code.proto])),
        .init(
            "6.10", "PING inside a header block", [Frame(.headers, Frame.endStream, stream: 1, block), .ping],
            .goAway([Code.proto])),
        .init(
            "6.10", "SETTINGS inside a header block",
            [Frame(.headers, Frame.endStream, stream: 1, block), .settings()], .goAway([Code.proto])),
    ]
}
