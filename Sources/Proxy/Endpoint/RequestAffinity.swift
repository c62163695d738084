import EventLoop

/// What of a request decides on its endpoint, read once for each pool that it is tried at.
struct RequestAffinity: BitwiseCopyable {
    /// Index of the pool that it was read for; -1: none yet.
    var pool = -1
    /// With `balance: hash`; nil: the request doesn't have it.
    var key: UInt64?
    /// The endpoint that its session cookie names; `EndpointConnection.none` for none.
    var sticky = EndpointConnection.none
}

/// Finds values in a request.
enum RequestValue {
    /// The value of a cookie in one `Cookie` line (RFC 6265 §4.2.1): where it begins and ends; nil when it isn't there.
    static func cookie(_ name: Span<UInt8>, in line: Span<UInt8>) -> Range<Int>? {
        var start = 0
        while start < line.count {
            var end = start
            while end < line.count, line[end] != 0x3b { end += 1 }
            var low = start
            while low < end, line[low] == 0x20 || line[low] == 0x09 { low += 1 }
            var high = end
            while high > low, line[high - 1] == 0x20 || line[high - 1] == 0x09 { high -= 1 }
            if let value = value(of: name, in: line, low..<high) {
                let isQuoted = value.count >= 2 && line[value.lowerBound] == 0x22 && line[value.upperBound - 1] == 0x22
                return isQuoted ? value.lowerBound + 1..<value.upperBound - 1 : value
            }
            start = end + 1
        }
        return nil
    }

    /// The value of the first parameter of that name, as it stands in the query.
    static func parameter(_ name: Span<UInt8>, in query: Span<UInt8>) -> Range<Int>? {
        var start = 0
        while start < query.count {
            var end = start
            while end < query.count, query[end] != 0x26 { end += 1 }
            if let value = value(of: name, in: query, start..<end) { return value }
            start = end + 1
        }
        return nil
    }

    /// What follows `name=` in a range of `text`.
    private static func value(of name: Span<UInt8>, in text: Span<UInt8>, _ range: Range<Int>) -> Range<Int>? {
        guard range.count > name.count, text[range.lowerBound + name.count] == 0x3d else { return nil }
        for index in 0..<name.count where text[range.lowerBound + index] != name[index] { return nil }
        return range.lowerBound + name.count + 1..<range.upperBound
    }
}
