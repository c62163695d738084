/// Preface, frames, header blocks: §3 and §4, and RFC 7541 where a block can't be decoded.
enum FramingCases {
    private static let ok = ConformanceCase.Reaction.seen(["1 head GET /a?b=c HTTP/1.1|host: shop.example||", "1 end"])
    private static let whole = Frame.head(1, Fields.get)

    /// A header block in pieces of `size` bytes: HEADERS, then CONTINUATION frames.
    static func split(_ block: [UInt8], size: Int, stream: UInt32 = 1, ends: Bool = true) -> [Frame] {
        var frames: [Frame] = []
        var rest = block[...]
        repeat {
            let part = [UInt8](rest.prefix(size))
            rest = rest.dropFirst(size)
            let last: UInt8 = rest.isEmpty ? Frame.endHeaders : 0
            let isFirst = frames.isEmpty
            frames.append(
                Frame(
                    isFirst ? .headers : .continuation, last | (isFirst && ends ? Frame.endStream : 0), stream: stream,
                    part))
        } while !rest.isEmpty
        return frames
    }

    private static func block(_ bytes: [UInt8]) -> [Frame] {
        [Frame(.headers, Frame.endHeaders | Frame.endStream, stream: 1, Fields.encode(Fields.get) + bytes)]
    }

    static let all: [ConformanceCase] = [
        .init(
            "3.4", "another preface", bytes: [UInt8]("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8), greets: false, .notHTTP2
        ),
        .init(
            "3.4", "a preface with its last byte wrong", bytes: Fields.preface.dropLast() + [0x0d], greets: false,
            .notHTTP2),
        .init(
            "3.4", "no SETTINGS behind the preface", bytes: Fields.preface + whole.bytes, greets: false,
            .goAway([Code.proto])),
        .init(
            "3.4", "preface and SETTINGS", bytes: Fields.preface + Frame.settings().bytes, greets: false,
            .answer(.settings)),
        .init("4.1", "a frame of an unknown type is passed over", [Frame(type: 0x16, [0, 0, 0]), whole], ok),
        .init(
            "4.1", "flags that are not defined are passed over",
            [.head(1, Fields.get, flags: 0xc0 & ~0x20), whole].prefix(1).map { $0 }, ok),
        .init(
            "4.1", "the reserved bit of a stream's number is passed over",
            [
                {
                    var frame = whole; frame.stream |= 0x8000_0000; return frame
                }()
            ], ok),
        .init(
            "4.1", "PING with unknown flags is answered", [Frame(.ping, 0x16, [UInt8](repeating: 0, count: 8))],
            .answer(.ping)),
        .init(
            "4.2", "DATA of 16,384 bytes",
            [
                .head(1, Fields.post, ends: false),
                Frame(.data, Frame.endStream, stream: 1, [UInt8](repeating: 0x20, count: 16_384)),
            ],
            .answer(.settings)),
        .init(
            "4.2", "DATA of 16,385 bytes",
            [
                .head(1, Fields.post, ends: false),
                Frame(.data, Frame.endStream, stream: 1, [UInt8](repeating: 0x20, count: 16_385)),
            ],
            .reset(1, [Code.frameSize])),
        .init(
            "4.2", "HEADERS of 16,385 bytes",
            [Frame(.headers, 5, stream: 1, [UInt8](repeating: 0x20, count: 16_385))], .goAway([Code.frameSize])),
        .init(
            "4.2", "SETTINGS of 16,386 bytes", [Frame(.settings, [UInt8](repeating: 0, count: 16_386))],
            .goAway([Code.frameSize])),
        .init(
            "4.3", "a header block that can't be decoded",
            [Frame(.headers, 5, stream: 1, [0x82, 0x84, 0x86, 0x41, 0x8c, 0xff])], .goAway([Code.compression])),
        .init(
            "4.3", "a PRIORITY frame inside a header block",
            [
                Frame(.headers, Frame.endStream, stream: 1, Fields.encode(Fields.get)),
                Frame(.priority, stream: 1, [0, 0, 0, 0, 16]),
            ],
            .goAway([Code.proto])),
        .init(
            "4.3", "HEADERS of another stream inside a header block",
            [Frame(.headers, Frame.endStream, stream: 1, Fields.encode(Fields.get)), .head(3, Fields.get)],
            .goAway([Code.proto])),
        .init("4.3", "a block in two frames", split(Fields.encode(Fields.get), size: 10), ok),
        .init("4.3", "a block in frames of eight bytes", split(Fields.encode(Fields.get), size: 8), ok),
        .init(
            "4.3", "an empty CONTINUATION at the end",
            [
                Frame(.headers, Frame.endStream, stream: 1, Fields.encode(Fields.get)),
                Frame(.continuation, Frame.endHeaders, stream: 1),
            ],
            ok),
        .init(
            "4.3", "RFC 7541 §2.3.3: an index that isn't in the table", block([0x80 | 70]), .goAway([Code.compression])),
        .init("4.3", "RFC 7541 §6.1: index 0", block([0x80]), .goAway([Code.compression])),
        .init(
            "4.3", "RFC 7541 §4.2: a change of the table's size at the block's end", block([0x20]),
            .goAway([Code.compression])),
        .init(
            "4.3", "RFC 7541 §6.3: a table larger than SETTINGS_HEADER_TABLE_SIZE",
            [Frame(.headers, 5, stream: 1, [0x3f, 0xe1, 0x3f] + Fields.encode(Fields.get))], .goAway([Code.compression])
        ),
        .init(
            "4.3", "RFC 7541 §5.2: padding of more than seven bits",
            block([0x00, 0x01, 0x78, 0x82, 0x1f, 0xff]), .goAway([Code.compression])),
        .init(
            "4.3", "RFC 7541 §5.2: padding with zeros", block([0x00, 0x01, 0x78, 0x81, 0x18]),
            .goAway([Code.compression])),
        .init(
            "4.3", "RFC 7541 §5.2: the symbol EOS",
            block([0x00, 0x01, 0x78, 0x84, 0xff, 0xff, 0xff, 0xff]), .goAway([Code.compression])),
        .init(
            "4.3", "RFC 7541 §5.1: an integer of too many octets",
            block([0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), .goAway([Code.compression])),
        .init(
            "4.3", "fields of the static table and Huffman coding (RFC 7541 §C.4.1)",
            [
                Frame(
                    .headers, 5, stream: 1,
                    [
                        0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4,
                        0xff,
                    ])
            ],
            .seen(["1 head GET / HTTP/1.1|host: www.example.com||", "1 end"])),
        .init(
            "4.3", "the dynamic table lives on (RFC 7541 §C.3)",
            [
                Frame(
                    .headers, 5, stream: 1,
                    [0x82, 0x86, 0x84, 0x41, 0x0f] + [UInt8]("www.example.com".utf8)),
                Frame(.headers, 5, stream: 3, [0x82, 0x86, 0x84, 0xbe, 0x58, 0x08] + [UInt8]("no-cache".utf8)),
            ],
            .seen([
                "1 head GET / HTTP/1.1|host: www.example.com||", "1 end",
                "3 head GET / HTTP/1.1|host: www.example.com|cache-control: no-cache||", "3 end",
            ])),
    ]
}
