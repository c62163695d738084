import EventLoop
import HTTPMessage

/// What gRPC over HTTP/2 asks of who answers in a server's place (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
enum GRPCMessage {
    /// Whether the head at `received` is that of a call: `content-type: application/grpc`, with or without `+proto` or the like.
    /// `application/grpc-web` is another protocol.
    static func isCall(_ received: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        guard let value = unsafe value(of: "content-type", received, count) else { return false }
        let type: StaticString = "application/grpc"
        guard value.count >= 16, unsafe UnsafeBufferPointer(rebasing: value[..<16]).matches(type) else { return false }
        // "+" ";" " "
        return value.count == 16 || [0x2b, 0x3b, 0x20].contains(unsafe value[16])
    }

    /// The value of the first field of that name in the head at `received`, whose lines are well-formed.
    static func value(
        of name: StaticString, _ received: UnsafePointer<UInt8>, _ count: Int
    ) -> UnsafeBufferPointer<UInt8>? {
        let head = unsafe UnsafeBufferPointer(start: received, count: count)
        var line = 0
        while line < count {
            var end = line
            while end < count, unsafe head[end] != 0x0d { end += 1 }
            let colon = line + name.utf8CodeUnitCount
            if colon < end, unsafe head[colon] == 0x3a,
                unsafe UnsafeBufferPointer(rebasing: head[line..<colon]).matches(name)
            {
                var low = colon + 1
                while low < end, unsafe head[low] == 0x20 || head[low] == 0x09 { low += 1 }
                return unsafe UnsafeBufferPointer(rebasing: head[low..<end])
            }
            line = end + 2
        }
        return nil
    }

    /// The code of gRPC for a status of ours. Where the project's table for answers of proxies that don't speak gRPC
    /// (http-grpc-status-mapping.md) is coarser than what is known here, it is the finer one.
    static func code(of status: Int) -> Int {
        switch status {
        // INTERNAL
        case 400, 500: 13
        // UNAUTHENTICATED, PERMISSION_DENIED
        case 401: 16
        case 403: 7
        // UNIMPLEMENTED
        case 404, 405, 501: 12
        // DEADLINE_EXCEEDED
        case 408, 504: 4
        // RESOURCE_EXHAUSTED
        case 413, 429, 431: 8
        // UNAVAILABLE
        case 502, 503: 14
        // UNKNOWN
        default: 2
        }
    }

    /// `grpc-timeout`, nanoseconds: at most eight digits and a unit; nil for anything else.
    static func timeout(_ value: UnsafeBufferPointer<UInt8>) -> UInt64? {
        guard 2...9 ~= value.count else { return nil }
        var number: UInt64 = 0
        for index in 0..<value.count - 1 {
            let digit = unsafe value[index] &- 0x30
            guard digit <= 9 else { return nil }
            number = number * 10 + UInt64(digit)
        }
        let unit: UInt64? =
            switch unsafe value[value.count - 1] {
            case UInt8(ascii: "H"): 3_600_000_000_000
            case UInt8(ascii: "M"): 60_000_000_000
            case UInt8(ascii: "S"): 1_000_000_000
            case UInt8(ascii: "m"): 1_000_000
            case UInt8(ascii: "u"): 1000
            case UInt8(ascii: "n"): 1
            default: nil
            }
        guard let unit else { return nil }
        let product = number.multipliedReportingOverflow(by: unit)
        return product.overflow ? .max : product.partialValue
    }
}
