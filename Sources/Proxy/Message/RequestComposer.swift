import EventLoop
import HTTP1
import HTTPMessage
import Snapshot

/// What composing a request head needs to know besides the received head.
struct RequestFacts {
    var client: IPEndpoint
    /// The peer's `X-Forwarded-*` and `X-Request-Id` are believed.
    var isTrusted: Bool
    var id: RequestID
    /// What `Max-Forwards` says from now on (RFC 9110 §7.6.2); nil: it isn't ours to change.
    var maxForwards: Int?
}

/// Writes the head that goes to the endpoint.
///
/// Lines that stay are copied as they came, in runs as long as possible; hop-by-hop fields (RFC 9110 §7.6.1), the
/// forwarding fields and what the rules drop are left out, and ours follow.
enum RequestComposer {
    static func write(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable,
        _ rules: CompiledRules, _ facts: RequestFacts, into out: inout HeadWriter
    ) {
        out.reset()
        if head.isAbsolute || head.minorVersion == 0 || head.originLength == 0 {
            unsafe out.append(received, head.methodLength + 1)
            if head.originLength == 0 {
                out.append(head.method == .options ? "*" : "/")
            } else {
                // An absolute target with a query but no path (RFC 9112 §3.2.1).
                if unsafe received[head.originStart] == 0x3f { out.append("/") }
                unsafe out.append(received + head.originStart, head.originLength)
            }
            out.append(" HTTP/1.1\r\n")
        } else {
            unsafe out.append(received, head.targetStart + head.targetLength + 11)
        }
        let forwarded = unsafe copyFields(head, received, fields, rules, facts, &out)
        unsafe writeForwarding(head, received, fields, rules, facts, forwarded, &out)
        if head.asksForWebSocket {
            out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n")
        } else if head.facts.takesTrailers && head.minorVersion >= 1 {
            out.append("Connection: TE\r\nTE: trailers\r\n")
        }
        if let maxForwards = facts.maxForwards {
            out.append("Max-Forwards: ")
            out.append(decimal: maxForwards)
            out.append("\r\n")
        }
        if rules.partCount > 0 { unsafe writeRules(head, received, fields, rules, facts, forwarded, &out) }
        out.append("\r\n")
    }

    /// Indices of received fields that matter for ours; -1 for none.
    private struct Received {
        var requestID = -1
        var hasForwardedFor = false
    }

    private static func copyFields(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable,
        _ rules: CompiledRules, _ facts: RequestFacts, _ out: inout HeadWriter
    ) -> Received {
        var noted = Received()
        var runStart = fields.count > 0 ? Int(fields[0].nameStart) : head.length - 2
        for index in 0..<fields.count {
            let field = fields[index]
            var isDropped = false
            switch field.id {
            case .other, .contentLength, .transferEncoding, .date, .expect, .trailer, .via: break
            case .connection, .keepAlive, .proxyConnection, .te, .upgrade: isDropped = true
            case .host: isDropped = head.isAbsolute
            case .xForwardedFor:
                isDropped = true
                noted.hasForwardedFor = true
            case .xForwardedHost, .xForwardedProto, .xRealIP: isDropped = !facts.isTrusted
            case .xRequestID:
                isDropped = !facts.isTrusted || noted.requestID >= 0
                if facts.isTrusted && noted.requestID < 0 { noted.requestID = index }
            }
            if facts.maxForwards != nil, unsafe MaxForwards.isName(of: field, received) { isDropped = true }
            if !isDropped, unsafe rules.drops(received + Int(field.nameStart), Int(field.nameLength)) {
                isDropped = true
            }
            if !isDropped, head.facts.namesHopByHopFields, field.id != .host,
                field.id != .contentLength, field.id != .transferEncoding,
                unsafe ConnectionOptions.names(field, received, fields)
            {
                isDropped = true
            }
            guard isDropped else { continue }
            let lineStart = Int(field.nameStart)
            if lineStart > runStart { unsafe out.append(received + runStart, lineStart - runStart) }
            runStart = Int(field.lineEnd)
        }
        let fieldsEnd = head.length - 2
        if fieldsEnd > runStart { unsafe out.append(received + runStart, fieldsEnd - runStart) }
        if head.isAbsolute {
            out.append("Host: ")
            unsafe out.append(received + head.hostStart, head.hostLength)
            out.append("\r\n")
        }
        return noted
    }

    private static func writeForwarding(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable,
        _ rules: CompiledRules, _ facts: RequestFacts, _ noted: Received, _ out: inout HeadWriter
    ) {
        let replaced = rules.replacedForwarding
        if !replaced.contains(.forwardedFor) {
            out.append("X-Forwarded-For: ")
            if facts.isTrusted && noted.hasForwardedFor {
                // Several lines are one list (RFC 9110 §5.3).
                for index in 0..<fields.count where fields[index].id == .xForwardedFor {
                    unsafe out.append(received + Int(fields[index].valueStart), Int(fields[index].valueLength))
                    out.append(", ")
                }
            }
            out.append(facts.client)
            out.append("\r\n")
        }
        let keepsTheirs = facts.isTrusted
        if !replaced.contains(.forwardedProto) && !(keepsTheirs && has(.xForwardedProto, fields)) {
            out.append("X-Forwarded-Proto: http\r\n")
        }
        if !replaced.contains(.forwardedHost) && head.hostLength > 0 && !(keepsTheirs && has(.xForwardedHost, fields)) {
            out.append("X-Forwarded-Host: ")
            unsafe out.append(received + head.hostStart, head.hostLength)
            out.append("\r\n")
        }
        if !replaced.contains(.realIP) && !(keepsTheirs && has(.xRealIP, fields)) {
            out.append("X-Real-IP: ")
            out.append(facts.client)
            out.append("\r\n")
        }
        if !replaced.contains(.requestID) && noted.requestID < 0 {
            out.append("X-Request-Id: ")
            out.append(facts.id)
            out.append("\r\n")
        }
        if !replaced.contains(.via) {
            out.append(head.minorVersion == 0 ? "Via: 1.0 sluice\r\n" : "Via: 1.1 sluice\r\n")
        }
    }

    private static func has(_ id: FieldID, _ fields: borrowing FieldTable) -> Bool {
        for index in 0..<fields.count where fields[index].id == id { return true }
        return false
    }

    private static func writeRules(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable,
        _ rules: CompiledRules, _ facts: RequestFacts, _ noted: Received, _ out: inout HeadWriter
    ) {
        for index in 0..<rules.partCount {
            let part = rules[index]
            switch part.variable {
            case nil: out.append(part.literal)
            case .clientIP?: out.append(facts.client)
            case .host?: unsafe out.append(received + head.hostStart, head.hostLength)
            case .requestID?:
                if noted.requestID >= 0 {
                    let field = fields[noted.requestID]
                    unsafe out.append(received + Int(field.valueStart), Int(field.valueLength))
                } else {
                    out.append(facts.id)
                }
            }
        }
    }
}

/// Fields that a message's `Connection` names: they belong to that connection only (RFC 9110 §7.6.1).
enum ConnectionOptions {
    static func names(_ field: Field, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable) -> Bool {
        for index in 0..<fields.count where fields[index].id == .connection {
            let value = unsafe UnsafeBufferPointer(
                start: received + Int(fields[index].valueStart), count: Int(fields[index].valueLength))
            if unsafe lists(value, received + Int(field.nameStart), Int(field.nameLength)) { return true }
        }
        return false
    }

    private static func lists(_ value: UnsafeBufferPointer<UInt8>, _ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        var start = 0
        while start < value.count {
            var end = start
            while end < value.count, unsafe value[end] != 0x2c { end += 1 }
            var low = start
            var high = end
            while low < high, unsafe value[low] == 0x20 || value[low] == 0x09 { low += 1 }
            while high > low, unsafe value[high - 1] == 0x20 || value[high - 1] == 0x09 { high -= 1 }
            if high - low == count, unsafe equal(value.baseAddress! + low, name, count) { return true }
            start = end + 1
        }
        return false
    }

    private static func equal(_ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        for index in 0..<count {
            let (a, b) = unsafe (left[index], right[index])
            let folded = a >= 0x41 && a <= 0x5a ? a | 0x20 : a
            if folded != (b >= 0x41 && b <= 0x5a ? b | 0x20 : b) { return false }
        }
        return true
    }
}
