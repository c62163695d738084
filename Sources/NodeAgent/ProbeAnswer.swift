import Snapshot

/// As much of an endpoint's answer as a probe with an expected text has read.
///
/// Read as far as a health check needs it: where the head ends, whether the body is chunked, and what text it holds. An answer
/// that breaks the rules elsewhere is no reason to take an endpoint out.
struct ProbeAnswer {
    /// Head and body that are kept.
    static let bytesMax = 16 * 1024 + HTTPProbe.bodyBytesMax

    private let bytes: [UInt8]
    /// Behind the empty line; nil: it hasn't come.
    private let bodyStart: Int?

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        bodyStart = ProbeAnswer.range(of: Array("\r\n\r\n".utf8), in: bytes[...])?.upperBound
    }

    var hasHead: Bool { bodyStart != nil }

    /// - Returns: nil until more has come.
    func result(expecting text: String) -> ProbeResult? {
        if let bodyStart {
            var body = bytes[bodyStart...]
            if isChunked(bytes[..<bodyStart]) { body = ProbeAnswer.withoutChunks(body)[...] }
            if ProbeAnswer.range(of: Array(text.utf8), in: body.prefix(HTTPProbe.bodyBytesMax)) != nil {
                return .passed
            }
            if let length = length(bytes[..<bodyStart]), body.count >= length { return .failed(.body) }
            if body.count >= HTTPProbe.bodyBytesMax { return .failed(.body) }
        }
        return bytes.count >= ProbeAnswer.bytesMax ? .failed(.body) : nil
    }

    private func isChunked(_ head: ArraySlice<UInt8>) -> Bool {
        value(of: "transfer-encoding", in: head)?.hasSuffix("chunked") ?? false
    }

    private func length(_ head: ArraySlice<UInt8>) -> Int? {
        value(of: "content-length", in: head).flatMap { Int($0) }
    }

    /// In lower case, without white space around it.
    private func value(of name: String, in head: ArraySlice<UInt8>) -> String? {
        for line in head.split(separator: 0x0a) {
            let text = String(decoding: line, as: UTF8.self).lowercased()
            guard text.hasPrefix(name + ":") else { continue }
            let value = text.dropFirst(name.count + 1).drop { $0 == " " || $0 == "\t" }
            return String(value.prefix { $0 != "\r" && $0 != "\r\n" && $0 != " " && $0 != "\t" })
        }
        return nil
    }

    /// The data of whole and begun chunks; ends at the first thing that is no chunk.
    private static func withoutChunks(_ body: ArraySlice<UInt8>) -> [UInt8] {
        var (rest, data) = (body, [UInt8]())
        while let line = range(of: [0x0d, 0x0a], in: rest) {
            let digits = rest[rest.startIndex..<line.lowerBound].prefix { $0 != 0x3b && $0 != 0x20 }
            guard let size = Int(String(decoding: digits, as: UTF8.self), radix: 16), size > 0 else { break }
            let chunk = rest[line.upperBound...]
            data.append(contentsOf: chunk.prefix(size))
            guard chunk.count - 2 >= size else { break }
            rest = chunk.dropFirst(size + 2)
        }
        return data
    }

    private static func range(of pattern: [UInt8], in bytes: ArraySlice<UInt8>) -> Range<Int>? {
        guard bytes.count >= pattern.count else { return nil }
        for start in bytes.startIndex...(bytes.endIndex - pattern.count)
        where bytes[start] == pattern[0] && bytes[start..<start + pattern.count].elementsEqual(pattern) {
            return start..<start + pattern.count
        }
        return nil
    }
}
