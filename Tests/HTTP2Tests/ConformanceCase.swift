import HTTP2
import Testing

/// What a client sends after the preface and its SETTINGS, and what RFC 9113 says about it.
struct ConformanceCase: CustomTestStringConvertible {
    enum Reaction {
        /// A connection error (§5.4.1): GOAWAY with one of these codes.
        case goAway([UInt32])
        /// A stream error (§5.4.2), or a connection error instead, as §5.4.1 allows: RST_STREAM or GOAWAY with one of these.
        case reset(UInt32, [UInt32])
        /// No error; these events, in this order.
        case seen([String])
        /// No error; a frame of that type is among the answers.
        case answer(Frame.Kind)
        /// The bytes aren't HTTP/2's.
        case notHTTP2
    }

    let section: String
    let what: String
    let bytes: [UInt8]
    let reaction: Reaction
    let greets: Bool

    init(_ section: String, _ what: String, _ frames: [Frame], _ reaction: Reaction) {
        self.init(section, what, bytes: frames.flatMap(\.bytes), reaction)
    }

    init(_ section: String, _ what: String, bytes: [UInt8], greets: Bool = true, _ reaction: Reaction) {
        self.section = section
        self.what = what
        self.bytes = bytes
        self.reaction = reaction
        self.greets = greets
    }

    /// A request that is malformed (§8.1.1).
    static func malformed(_ section: String, _ what: String, _ fields: [(String, String)]) -> ConformanceCase {
        ConformanceCase(section, what, [.head(1, fields)], .reset(1, [1]))
    }

    /// A request that is passed on as an HTTP/1.1 head.
    static func passes(_ section: String, _ what: String, _ fields: [(String, String)], as head: String)
        -> ConformanceCase
    {
        ConformanceCase(section, what, [.head(1, fields)], .seen(["1 head \(head)|", "1 end"]))
    }

    var testDescription: String { "§\(section): \(what)" }

    /// - Parameter piece: Bytes that come at once.
    func check(piece: Int) {
        let bench = SessionBench(greets: greets)
        bench.receive(bytes, piece: piece)
        let story = "\(bench.outcome), \(bench.seen), \(bench.frames)"
        switch reaction {
        case .goAway(let codes):
            #expect(bench.goAway.map(codes.contains) == true, "\(story), GOAWAY \(bench.goAway as Any)")
            #expect(bench.session.isOver, "the connection would go on: \(story)")
        case .reset(let stream, let codes):
            let code = bench.reset(of: stream) ?? bench.goAway
            #expect(code.map(codes.contains) == true, "\(story), code \(code as Any)")
        case .seen(let events):
            #expect(bench.seen == events, "\(story)")
            #expect(bench.goAway == nil && !bench.frames.contains { $0.kind == .reset }, "\(story)")
            #expect(bench.outcome == .fine)
        case .answer(let kind):
            #expect(bench.frames.contains { $0.kind == kind }, "\(story)")
            #expect(bench.goAway == nil && bench.outcome == .fine, "\(story)")
        case .notHTTP2: #expect(bench.outcome == .notHTTP2, "\(story)")
        }
    }
}

/// Error codes (RFC 9113 §7).
enum Code {
    static let proto: UInt32 = 1
    static let flowControl: UInt32 = 3
    static let streamClosed: UInt32 = 5
    static let frameSize: UInt32 = 6
    static let refused: UInt32 = 7
    static let compression: UInt32 = 9
    static let calm: UInt32 = 11
}

@Suite("HTTP/2 by the sections of RFC 9113")
struct ConformanceTests {
    static let cases = FramingCases.all + StreamCases.all + FrameCases.all + MessageCases.all

    @Test("in one piece", arguments: cases)
    func whole(_ item: ConformanceCase) { item.check(piece: .max) }

    /// Where reads end must not matter.
    @Test("byte by byte", arguments: cases)
    func bytewise(_ item: ConformanceCase) { item.check(piece: 1) }

    @Test("there are enough, and none twice")
    func table() {
        #expect(Self.cases.count >= 120)
        #expect(Set(Self.cases.map(\.testDescription)).count == Self.cases.count)
    }
}
