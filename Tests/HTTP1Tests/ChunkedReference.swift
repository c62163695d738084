import HTTP1
import HTTPMessage

/// What a chunked decoder made of bytes.
struct ChunkedRun: Equatable {
    enum Verdict: Equatable { case ended, unfinished, malformed }
    var verdict: Verdict
    /// The data of the body.
    var data: [UInt8]
    /// Bytes of the chunked body up to and with its last line; nil unless `verdict` is `ended`.
    var length: Int?

    /// Feeds `bytes` in pieces, as reads from a socket bring them.
    ///
    /// - Parameter piece: Bytes of the next piece, by the offset where it begins.
    init(_ bytes: [UInt8], piece: (Int) -> Int) {
        var decoder = ChunkedDecoder()
        var data: [UInt8] = []
        var end = 0
        var isInExtension = false
        while end < bytes.count {
            let start = end
            end = min(bytes.count, start + max(1, piece(start)))
            let verdict = withExactCopy(of: Array(bytes[start..<end])) { span -> ChunkedRun? in
                var position = 0
                while true {
                    let step = decoder.step(span, from: position)
                    switch step {
                    case .data(let count), .framing(let count), .chunkExtension(let count), .end(let count):
                        precondition(
                            count > 0 && count <= span.count - position, "\(step) at \(position) of \(span.count)")
                        if case .chunkExtension = step {
                            precondition(
                                bytes[start + position] == 59 || isInExtension, "no extension at \(start + position)")
                            isInExtension = true
                        } else {
                            isInExtension = false
                        }
                        if case .data = step {
                            data.append(contentsOf: bytes[start + position..<start + position + count])
                        }
                        position += count
                        if case .end = step {
                            precondition(
                                decoder.hasEnded && decoder.step(span, from: 0) == .more, "goes on after its end")
                            return ChunkedRun(verdict: .ended, data: data, length: start + position)
                        }
                    case .more:
                        precondition(position == span.count && !decoder.hasEnded, "left \(span.count - position) bytes")
                        return nil
                    case .malformed:
                        precondition(decoder.step(span, from: 0) == .malformed, "goes on after a fault")
                        return ChunkedRun(verdict: .malformed, data: data)
                    }
                }
            }
            if let verdict {
                self = verdict
                return
            }
        }
        self.init(verdict: .unfinished, data: data)
    }

    init(_ bytes: [UInt8]) {
        self.init(bytes) { _ in .max / 2 }
    }

    private init(verdict: Verdict, data: [UInt8], length: Int? = nil) {
        self.verdict = verdict
        self.data = data
        self.length = length
    }

    /// RFC 9110 §6.5.1.
    static let forbiddenTrailers: Set<String> = [
        "authorization", "cache-control", "connection", "content-encoding", "content-length", "content-range",
        "content-type", "cookie", "expect", "forwarded", "host", "keep-alive", "max-forwards", "proxy-authorization",
        "proxy-connection", "set-cookie", "te", "trailer", "transfer-encoding", "upgrade", "via", "x-forwarded-for",
        "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "x-request-id",
    ]

    /// The same by whole lines, written from RFC 9112 §7.1. Only `unfinished` where a line has no end yet.
    static func reference(_ bytes: [UInt8]) -> ChunkedRun {
        var rest = bytes[...]
        var data: [UInt8] = []
        func run(_ verdict: Verdict) -> ChunkedRun {
            ChunkedRun(verdict: verdict, data: data, length: verdict == .ended ? bytes.count - rest.count : nil)
        }
        func nextLine() -> ArraySlice<UInt8>? {
            guard let end = rest.indices.dropLast().first(where: { rest[$0] == 13 && rest[$0 + 1] == 10 }) else {
                return nil
            }
            defer { rest = rest[(end + 2)...] }
            return rest[..<end]
        }
        while true {
            guard let line = nextLine() else { return run(.unfinished) }
            let digits = line.prefix { (48...57).contains($0) || (97...102).contains($0 | 32) }
            guard (1...15).contains(digits.count), line.count + 2 <= ChunkedDecoder.lineBytesMax,
                line.count == digits.count || line[digits.endIndex] == 59,
                line.allSatisfy(HTTPSyntax.isFieldValueByte), let size = Int(String(octets: digits), radix: 16)
            else { return run(.malformed) }
            if size == 0 { break }
            data.append(contentsOf: rest.prefix(size))
            rest = rest.dropFirst(size)
            guard rest.count >= 2 else { return run(rest.first ?? 13 == 13 ? .unfinished : .malformed) }
            guard rest.starts(with: [13, 10]) else { return run(.malformed) }
            rest = rest.dropFirst(2)
        }
        let start = rest.startIndex
        while true {
            guard let line = nextLine() else { return run(.unfinished) }
            guard rest.startIndex - start <= ChunkedDecoder.trailerBytesMax else { return run(.malformed) }
            if line.isEmpty { return run(.ended) }
            let name = line.prefix { $0 != 58 }
            let folded = String(octets: name.map(HTTPSyntax.foldedName))
            guard !name.isEmpty, name.count < line.count, name.allSatisfy(HTTPSyntax.isTokenByte),
                !forbiddenTrailers.contains(folded),
                line.allSatisfy(HTTPSyntax.isFieldValueByte)
            else { return run(.malformed) }
        }
    }

    /// - Returns: The invariant that `bytes` break, or nil.
    static func fault(_ bytes: [UInt8]) -> String? {
        let whole = ChunkedRun(bytes)
        let expected = reference(bytes)
        // The decoder sees a fault before its line has ended; the reference then still waits.
        let isEarlier = whole.verdict == .malformed && expected.verdict == .unfinished && whole.data == expected.data
        guard whole == expected || isEarlier else { return "whole: \(whole), not \(expected)" }
        var seed = bytes.reduce(into: 0xcbf2_9ce4_8422_2325 as UInt64) { $0 = ($0 ^ UInt64($1)) &* 0x100_0000_01b3 } | 1
        for run in [
            ChunkedRun(bytes) { _ in 1 }, ChunkedRun(bytes) { _ in 2 }, ChunkedRun(bytes) { _ in 17 },
            ChunkedRun(bytes) { _ in
                seed ^= seed << 13
                seed ^= seed >> 7
                seed ^= seed << 17
                return Int(seed % 23)
            },
        ] where run != whole {
            return "in pieces: \(run), not \(whole)"
        }
        return nil
    }
}
