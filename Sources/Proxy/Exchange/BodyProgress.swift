import EventLoop
import HTTP1
import HTTPMessage

/// How far one body has been passed on. It looks at buffered bytes and says what may be sent; it moves none.
struct BodyProgress: BitwiseCopyable {
    private var framing: BodyFraming
    /// Bytes to come of a body with a known length.
    private(set) var remaining: UInt64 = 0
    /// Bytes that were passed on, chunk framing included.
    private(set) var moved: UInt64 = 0
    private var decoder = ChunkedDecoder()
    /// Bytes at the front of the buffer that the decoder has passed and that aren't sent yet.
    private var passed = 0
    /// Bytes behind those that are left out: a chunk extension.
    private var skipped = 0
    /// The bytes that were left out last are of the trailer section; only where chunk framing is.
    private(set) var skipsTrailers = false
    /// Chunk framing is left out.
    private(set) var dropsFraming: Bool
    /// Everything is passed on.
    private(set) var isComplete: Bool

    init(_ framing: BodyFraming, dropsFraming: Bool = false) {
        self.framing = framing
        self.dropsFraming = dropsFraming
        if case .length(let length) = framing { remaining = length }
        isComplete = framing == .none || framing == .length(0)
    }

    enum Piece: Equatable {
        /// The next `count` bytes of the buffer go to the other side.
        case send(Int)
        /// The next `count` bytes of the buffer are left out.
        case skip(Int)
        /// Nothing to pass on until more bytes come.
        case wait
        case malformed
    }

    /// What to do with the bytes from `start` of the buffer on; 0 bytes when there are none.
    mutating func next(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Piece {
        guard !isComplete else { return .wait }
        switch framing {
        case .none: return .wait
        case .length:
            let usable = Int(min(remaining, UInt64(count)))
            return usable > 0 ? .send(usable) : .wait
        case .untilClose: return count > 0 ? .send(count) : .wait
        case .chunked: return unsafe nextChunked(bytes, count)
        }
    }

    private mutating func nextChunked(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> Piece {
        let span = unsafe Span(_unsafeStart: bytes, count: count)
        if dropsFraming {
            if passed > 0 { return .send(min(passed, count)) }
            skipsTrailers = decoder.isInTrailers
            switch decoder.step(span, from: 0) {
            case .data(let data):
                passed = data
                return .send(data)
            case .framing(let framing), .chunkExtension(let framing): return .skip(framing)
            case .end(let framing):
                isComplete = true
                return .skip(framing)
            case .more: return .wait
            case .malformed: return .malformed
            }
        }
        scan: while skipped == 0 {
            switch decoder.step(span, from: passed) {
            case .data(let step), .framing(let step), .end(let step): passed += step
            case .chunkExtension(let step): skipped = step
            case .more: break scan
            case .malformed: return .malformed
            }
        }
        if passed > 0 { return .send(passed) }
        guard skipped > 0 else { return .wait }
        defer { skipped = 0 }
        return .skip(skipped)
    }

    /// Bytes that `next` gave were passed on (or left out).
    mutating func advance(_ count: Int) {
        moved &+= UInt64(count)
        switch framing {
        case .none: break
        case .length:
            remaining -= UInt64(count)
            if remaining == 0 { isComplete = true }
        case .untilClose: break
        case .chunked:
            if dropsFraming {
                passed = max(0, passed - count)
            } else {
                passed -= count
                if passed == 0 && decoder.hasEnded { isComplete = true }
            }
        }
    }

    /// Leaves chunk framing out; before the first byte is looked at.
    mutating func dropFraming() { dropsFraming = true }

    /// Whether the next `count` bytes that are passed on are the last ones, as far as that is known before they are.
    func isLast(_ count: Int) -> Bool {
        if case .length = framing { return remaining == UInt64(count) }
        return false
    }

    /// Why the body is malformed.
    var fault: HTTP1Error { decoder.fault }

    /// The sender has closed the connection.
    ///
    /// - Returns: Whether that ends the body as it should.
    mutating func endOfStream() -> Bool {
        if framing == .untilClose { isComplete = true }
        return isComplete
    }

    /// Bytes that may be spliced: plain and of a known number; `UInt64.max` until the sender closes.
    var spliceable: UInt64 {
        switch framing {
        case .length: remaining
        case .untilClose: isComplete ? 0 : UInt64.max
        case .none, .chunked: 0
        }
    }
}
