/// The two messages of `grpc.health.v1.Health/Check` in the wire form of protocol buffers.
///
///     message HealthCheckRequest  { string service = 1; }
///     message HealthCheckResponse { ServingStatus status = 1; }
package enum HealthCheckMessage {
    /// ServingStatus SERVING.
    package static let serving: UInt64 = 1

    /// A request about a service as one Length-Prefixed-Message, not compressed.
    package static func request(service: String) -> [UInt8] {
        var message: [UInt8] = []
        let name = Array(service.utf8)
        // The empty text is the default, which isn't written.
        if !name.isEmpty {
            message.append(1 << 3 | 2)
            append(UInt64(name.count), to: &message)
            message += name
        }
        let length = UInt32(message.count)
        return [0] + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: length >> $0) } + message
    }

    /// The status of a response; 0 (UNKNOWN) when it states none. Fields of later versions are passed over.
    ///
    /// - Returns: nil when the bytes are no message.
    package static func servingStatus(_ message: ArraySlice<UInt8>) -> UInt64? {
        var (rest, status): (ArraySlice<UInt8>, UInt64) = (message, 0)
        while !rest.isEmpty {
            guard let key = number(&rest), key >> 3 >= 1, key >> 3 < 1 << 29 else { return nil }
            switch (field: key >> 3, type: key & 7) {
            case (1, 0):
                guard let value = number(&rest) else { return nil }
                status = value
            // A status of another type is no status.
            case (1, _): return nil
            case (_, 0): guard number(&rest) != nil else { return nil }
            case (_, 1): guard skip(8, &rest) else { return nil }
            case (_, 2): guard let length = number(&rest), skip(length, &rest) else { return nil }
            case (_, 5): guard skip(4, &rest) else { return nil }
            // Groups are of the past.
            default: return nil
            }
        }
        return status
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// A varint of at most 64 bits.
    private static func number(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            // Of the tenth byte only one bit is left.
            if shift == 63 && byte > 1 { return nil }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        return nil
    }

    private static func skip(_ count: UInt64, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard count <= UInt64(rest.count) else { return false }
        rest = rest.dropFirst(Int(count))
        return true
    }
}
