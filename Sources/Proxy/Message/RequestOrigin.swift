import EventLoop
import HTTP1
import HTTPMessage
import Snapshot

/// Where a request comes from: what the connection says, or what a trusted peer says of it.
struct RequestOrigin: BitwiseCopyable {
    /// The client. With a trusted peer: the rightmost address of `X-Forwarded-For` that isn't trusted itself; its port
    /// is 0 when none is stated.
    var client: IPEndpoint
    /// The peer's forwarding fields are believed.
    var isTrusted = false
    /// Which of them are passed on as they came: stated once and of the right form.
    var kept: ForwardingFields = []
    /// The value of a kept `X-Request-Id` in the head; length 0 for none.
    var idStart: UInt16 = 0
    var idLength: UInt16 = 0
    /// The client speaks `https`: on the connection, or to the trusted peer that says so.
    var isSecure = false

    init(client: IPEndpoint, isSecure: Bool = false) {
        self.client = client
        self.isSecure = isSecure
    }

    /// What a trusted peer says.
    ///
    /// - Parameters:
    ///   - head: The request's head; `fields` points into it.
    ///   - isSecure: The connection is, which counts when the peer doesn't say how it was reached.
    ///   - isTrusted: Whether an address in `X-Forwarded-For` may be passed over.
    init(
        peer: IPEndpoint, _ head: Span<UInt8>, _ fields: borrowing FieldTable, isSecure: Bool = false,
        isTrusted: (IPEndpoint) -> Bool
    ) {
        client = peer
        self.isTrusted = true
        var seen: ForwardingFields = []
        for index in 0..<fields.count {
            let field = fields[index]
            guard let option = ForwardingFields(field.id) else { continue }
            let value = head.extracting(Int(field.valueStart)..<Int(field.valueStart) + Int(field.valueLength))
            // Two lines of one of these contradict each other: none is kept.
            guard !seen.contains(option) else {
                kept.remove(option)
                continue
            }
            seen.insert(option)
            guard RequestOrigin.isSane(value, option) else { continue }
            kept.insert(option)
            if option == .requestID { (idStart, idLength) = (field.valueStart, field.valueLength) }
            if option == .forwardedProto { self.isSecure = value.count == 5 }
        }
        if !kept.contains(.requestID) { idLength = 0 }
        if !kept.contains(.forwardedProto) { self.isSecure = isSecure }
        findClient(head, fields, isTrusted)
    }

    /// From the right: each proxy has appended whom it got the request from, and is believed only if it is trusted.
    private mutating func findClient(
        _ head: Span<UInt8>, _ fields: borrowing FieldTable, _ isTrusted: (IPEndpoint) -> Bool
    ) {
        for index in (0..<fields.count).reversed() where fields[index].id == .xForwardedFor {
            let start = Int(fields[index].valueStart)
            var end = start + Int(fields[index].valueLength)
            while end > start {
                var low = end
                while low > start, head[low - 1] != 0x2c { low -= 1 }
                guard let address = RequestOrigin.address(head.extracting(low..<end)) else { return }
                client = address
                guard isTrusted(address) else { return }
                end = low - 1
            }
        }
    }

    /// An element of `X-Forwarded-For`, with white space around it.
    private static func address(_ element: Span<UInt8>) -> IPEndpoint? {
        var low = 0
        var high = element.count
        while low < high, element[low] == 0x20 || element[low] == 0x09 { low += 1 }
        while high > low, element[high - 1] == 0x20 || element[high - 1] == 0x09 { high -= 1 }
        return IPEndpoint(text: element.extracting(low..<high))
    }

    private static func isSane(_ value: Span<UInt8>, _ field: ForwardingFields) -> Bool {
        switch field {
        case .forwardedProto: return isWord(value, "http") || isWord(value, "https")
        case .forwardedHost: return isAuthority(value)
        case .realIP: return IPEndpoint(text: value) != nil
        case .requestID:
            guard value.count > 0, value.count <= ErrorPage.requestIDBytesMax else { return false }
            for index in 0..<value.count where !isIDByte(value[index]) { return false }
            return true
        default: return false
        }
    }

    private static func isWord(_ value: Span<UInt8>, _ word: StaticString) -> Bool {
        unsafe value.withUnsafeBufferPointer { unsafe $0.matches(word) }
    }

    /// What ids are made of (UUIDs, ULIDs, base64, trace ids), and nothing that a log or a page could act on.
    private static func isIDByte(_ byte: UInt8) -> Bool {
        switch byte {
        // "+" "-./" ":" "=" "@" "_" "~"
        case 0x2b, 0x2d...0x2f, 0x3a, 0x3d, 0x40, 0x5f, 0x7e: true
        default: PercentEncoding.isUnreserved(byte)
        }
    }
}

extension ForwardingFields {
    /// Fields that a trusted peer states once; nil for others.
    fileprivate init?(_ id: FieldID) {
        switch id {
        case .xForwardedProto: self = .forwardedProto
        case .xForwardedHost: self = .forwardedHost
        case .xRealIP: self = .realIP
        case .xRequestID: self = .requestID
        default: return nil
        }
    }
}
