import Balancing
import EventLoop
import HTTP1
import HTTPMessage
import Snapshot

/// Requests that belong to an endpoint: by a hash of what they say, or by a session cookie.
extension ProxyWorker {
    /// Reads what the pool goes by.
    @inline(never)
    mutating func readAffinity(_ exchange: ExchangePointer, _ pool: UnsafeMutablePointer<PoolState>) {
        guard unsafe exchange.pointee.affinity.pool != exchange.pointee.pool else { return }
        let received = unsafe UnsafePointer(clients[exchange.pointee.client].pointee.input.bytes)
        unsafe restoreFields(exchange, received)
        var affinity = RequestAffinity()
        unsafe affinity.pool = exchange.pointee.pool
        if let key = unsafe pool.pointee.hashKey { affinity.key = unsafe hashKey(key, exchange, received) }
        if let sticky = unsafe pool.pointee.sticky {
            affinity.sticky = unsafe stickyEndpoint(sticky, received) ?? EndpointConnection.none
        }
        unsafe exchange.pointee.affinity = affinity
    }

    /// The endpoint that a request's session cookie names, if it may still have it: up or draining.
    func sessionEndpoint(_ exchange: ExchangePointer) -> UInt32? {
        let number = unsafe exchange.pointee.affinity.sticky
        guard number != EndpointConnection.none else { return nil }
        let standing = unsafe loads[Int(number)].standing
        let isThere = standing.contains(.up) && !standing.isAvoided && !standing.contains(.excluded)
        return isThere ? number : nil
    }

    /// The cookie that goes with an answer: of the endpoint that gives it, unless the client has it already.
    func sessionCookie(_ exchange: ExchangePointer) -> SessionCookieLine? {
        let pool = unsafe pool(of: exchange)
        guard let sticky = unsafe pool.pointee.sticky else { return nil }
        let number = unsafe exchange.pointee.endpoint
        guard unsafe number != exchange.pointee.affinity.sticky, let value = sticky.lookup.value(of: number) else {
            return nil
        }
        return SessionCookieLine(front: sticky.front, value: value, back: sticky.back)
    }

    private func stickyEndpoint(_ sticky: CompiledSticky, _ received: UnsafePointer<UInt8>) -> UInt32? {
        // The first that stands for something: a client may have one of another path or site as well.
        for index in 0..<fields.count where unsafe isCookie(fields[index], received) {
            let field = fields[index]
            let line = unsafe Span(
                _unsafeStart: received + Int(field.valueStart), count: Int(field.valueLength))
            let name = unsafe Span(_unsafeStart: sticky.name.base, count: sticky.name.count)
            if let value = RequestValue.cookie(name, in: line),
                let number = sticky.lookup.number(of: line.extracting(value))
            {
                return number
            }
        }
        return nil
    }

    private func hashKey(
        _ key: CompiledHashKey, _ exchange: ExchangePointer, _ received: UnsafePointer<UInt8>
    ) -> UInt64? {
        let head = unsafe exchange.pointee.head
        let name = unsafe Span(_unsafeStart: key.name.base, count: key.name.count)
        switch key.kind {
        case .clientIP: return unsafe exchange.pointee.origin.client.balanceKey
        case .path: return unsafe hash(received, head.originStart, head.pathLength)
        case .query, .parameter:
            guard head.originLength > head.pathLength else { return nil }
            let start = head.originStart + head.pathLength + 1
            let count = head.originLength - head.pathLength - 1
            if key.kind == .query { return unsafe hash(received, start, count) }
            let query = unsafe Span(_unsafeStart: received + start, count: count)
            return RequestValue.parameter(name, in: query).flatMap {
                unsafe hash(received, start + $0.lowerBound, $0.count)
            }
        case .header:
            for index in 0..<fields.count {
                let field = fields[index]
                guard Int(field.nameLength) == key.name.count,
                    unsafe key.name.equalsIgnoringCase(received + Int(field.nameStart), count: key.name.count)
                else { continue }
                return unsafe hash(received, Int(field.valueStart), Int(field.valueLength))
            }
            return nil
        case .cookie:
            for index in 0..<fields.count where unsafe isCookie(fields[index], received) {
                let field = fields[index]
                let line = unsafe Span(
                    _unsafeStart: received + Int(field.valueStart), count: Int(field.valueLength))
                if let value = RequestValue.cookie(name, in: line) {
                    return unsafe hash(received, Int(field.valueStart) + value.lowerBound, value.count)
                }
            }
            return nil
        }
    }

    /// nil for no bytes: what says nothing belongs nowhere.
    private func hash(_ received: UnsafePointer<UInt8>, _ start: Int, _ count: Int) -> UInt64? {
        count == 0 ? nil : unsafe Hash64.xxh64(UnsafeRawBufferPointer(start: received + start, count: count))
    }

    private func isCookie(_ field: Field, _ received: UnsafePointer<UInt8>) -> Bool {
        guard field.nameLength == 6, field.id == .other else { return false }
        return unsafe UnsafeBufferPointer(start: received + Int(field.nameStart), count: 6).matches("cookie")
    }
}

/// `Set-Cookie` for a session, in its parts.
struct SessionCookieLine: BitwiseCopyable {
    let front: Bytes
    let value: UInt64
    let back: Bytes

    func write(to out: inout HeadWriter) {
        out.append(front)
        for digit in stride(from: 60, through: 0, by: -4) {
            let nibble = UInt8(value >> UInt64(digit) & 15)
            out.append(byte: nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
        }
        out.append(back)
    }
}
