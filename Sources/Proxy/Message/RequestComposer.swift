import EventLoop
import HTTP1
import HTTPMessage
import Snapshot
import TLS

/// What composing a request head needs to know besides the received head.
struct RequestFacts {
    /// Who sent it: the client, or the proxy in front of us.
    var peer: IPEndpoint
    /// Where the request goes, for one that names no host; nil for a Unix socket.
    var endpoint: IPEndpoint?
    var origin: RequestOrigin
    var id: RequestID
    /// What `Max-Forwards` says from now on (RFC 9110 §7.6.2); nil: it isn't ours to change.
    var maxForwards: Int?
    /// Names, for variables.
    var route: Bytes
    var listener: Bytes
    /// `Forwarded` is sent as well.
    var statesForwarded: Bool
    var isSecure: Bool { tls != nil }
    /// Of the connection that it came by; nil in the clear.
    var tls: TLSStream?
    /// It came by HTTP/2.
    var isHTTP2 = false
    /// It came in early data, and the handshake isn't complete.
    var isEarly = false
    /// The head is that of a copy, whose body doesn't wait for a 100.
    var isCopy = false
}

/// Writes the head that goes to the endpoint.
///
/// Lines that stay are copied as they came, in runs as long as possible; hop-by-hop fields (RFC 9110 §7.6.1), the
/// forwarding fields, what only looks like one of these, and what the rules drop are left out, and ours follow. What servers
/// have been seen to read in different ways goes out in one spelling: path, `Host`, framing.
enum RequestComposer {
    static func write(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable,
        _ rules: CompiledRules, _ rewrite: CompiledRewrite, _ facts: RequestFacts, into out: inout HeadWriter
    ) {
        out.reset()
        if !rewrite.isEmpty && head.originLength > 0 {
            unsafe out.append(received, head.methodLength + 1)
            unsafe TargetWriter.write(head, received, rewrite, view(head, received, facts), into: &out)
            out.append(" HTTP/1.1\r\n")
        } else if head.isAbsolute || head.minorVersion == 0 || head.originLength == 0 || !head.isPathNormal {
            unsafe writeRequestLine(head, received, &out)
        } else {
            unsafe out.append(received, head.targetStart + head.targetLength + 11)
        }
        let noted = unsafe copyFields(head, received, fields, rules, facts, &out)
        unsafe writeForwarding(head, received, fields, rules, facts, noted, &out)
        if head.asksForWebSocket {
            out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n")
        } else if head.facts.takesTrailers && head.minorVersion >= 1 {
            out.append("Connection: TE\r\nTE: trailers\r\n")
        }
        if facts.isEarly { out.append("Early-Data: 1\r\n") }
        if let maxForwards = facts.maxForwards {
            out.append("Max-Forwards: ")
            out.append(decimal: maxForwards)
            out.append("\r\n")
        }
        if rules.partCount > 0 {
            let view = unsafe view(head, received, facts)
            for index in 0..<rules.partCount { view.write(rules[index], in: .field, to: &out) }
        }
        out.append("\r\n")
    }

    private static func view(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ facts: RequestFacts
    ) -> RequestView {
        var view = unsafe RequestView(
            head, received, facts.origin, id: facts.id, route: facts.route, listener: facts.listener)
        view.tls = facts.tls
        return view
    }

    /// The target in origin form and normal, and our version.
    private static func writeRequestLine(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ out: inout HeadWriter
    ) {
        unsafe out.append(received, head.methodLength + 1)
        if head.originLength == 0 {
            switch head.method {
            case .options: out.append("*")
            case .connect: unsafe out.append(received + head.targetStart, head.targetLength)
            default: out.append("/")
            }
        } else {
            let origin = unsafe received + head.originStart
            // An absolute target with a query but no path (RFC 9112 §3.2.1).
            if head.pathLength == 0 { out.append("/") }
            unsafe out.append(normalPath: origin, head.pathLength)
            unsafe out.append(origin + head.pathLength, head.originLength - head.pathLength)
        }
        out.append(" HTTP/1.1\r\n")
    }

    /// Received lists that ours continue.
    private struct Received {
        var hasForwardedFor = false
        var hasForwarded = false
        /// The framing field when its line was left out for its spelling.
        var framing = FieldID.other
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
            case .other, .date, .trailer, .via: break
            case .connection, .keepAlive, .proxyConnection, .te, .upgrade, .lookalike: isDropped = true
            // RFC 9110 §10.1.1: a client of HTTP/1.0 can't mean it.
            case .expect: isDropped = head.minorVersion == 0 || facts.isCopy
            case .host: isDropped = unsafe head.targetNamesHost || !PlainField.isPlain(field, received)
            case .contentLength, .transferEncoding:
                isDropped = unsafe !PlainField.isPlain(field, received)
                if isDropped { noted.framing = field.id }
            case .xForwardedFor:
                isDropped = true
                noted.hasForwardedFor = true
            case .xForwardedHost: isDropped = !facts.origin.kept.contains(.forwardedHost)
            case .xForwardedProto: isDropped = !facts.origin.kept.contains(.forwardedProto)
            case .xForwardedOther: isDropped = !facts.origin.isTrusted
            case .xRealIP: isDropped = !facts.origin.kept.contains(.realIP)
            case .xRequestID: isDropped = !facts.origin.kept.contains(.requestID)
            case .forwarded:
                isDropped = facts.statesForwarded || !facts.origin.isTrusted
                noted.hasForwarded = true
            }
            if facts.maxForwards != nil, unsafe MaxForwards.isName(of: field, received) { isDropped = true }
            if facts.isEarly, unsafe EarlyDataField.isName(of: field, received) { isDropped = true }
            if !isDropped, unsafe rules.drops(received + Int(field.nameStart), Int(field.nameLength)) {
                isDropped = true
            }
            // Fields that the proxy knows stay with the message, whatever `Connection` says: a client could have others
            // believe what it chose by having them taken away.
            if !isDropped, head.facts.namesHopByHopFields, field.id == .other,
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
        if noted.framing != .other { PlainField.writeFraming(head.facts, &out) }
        unsafe writeHost(head, received, fields, rules, facts, &out)
        return noted
    }

    /// RFC 9112 §3.2: one `Host`, always. Where there is none to keep it is the target's authority, and for a client of
    /// HTTP/1.0 that named no host the endpoint itself.
    private static func writeHost(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable, _ rules: CompiledRules,
        _ facts: RequestFacts, _ out: inout HeadWriter
    ) {
        if rules.setsHost { return }
        if !head.namesHost {
            out.append("Host: ")
            if let endpoint = facts.endpoint { out.append(authority: endpoint) } else { out.append("localhost") }
            out.append("\r\n")
        } else if unsafe head.targetNamesHost || !PlainField.isPlain(fields[head.facts.hostIndex], received) {
            out.append("Host: ")
            unsafe out.append(received + head.hostStart, head.hostLength)
            out.append("\r\n")
        }
    }

    private static func writeForwarding(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable,
        _ rules: CompiledRules, _ facts: RequestFacts, _ noted: Received, _ out: inout HeadWriter
    ) {
        let replaced = rules.replacedForwarding
        let kept = facts.origin.kept
        if !replaced.contains(.forwardedFor) {
            out.append("X-Forwarded-For: ")
            if facts.origin.isTrusted && noted.hasForwardedFor {
                unsafe continueList(.xForwardedFor, received, fields, &out)
            }
            out.append(facts.peer)
            out.append("\r\n")
        }
        if !replaced.contains(.forwardedProto) && !kept.contains(.forwardedProto) {
            out.append(facts.isSecure ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n")
        }
        if !replaced.contains(.forwardedHost) && head.hostLength > 0 && !kept.contains(.forwardedHost) {
            out.append("X-Forwarded-Host: ")
            unsafe out.append(received + head.hostStart, head.hostLength)
            out.append("\r\n")
        }
        if !replaced.contains(.realIP) && !kept.contains(.realIP) {
            out.append("X-Real-IP: ")
            out.append(facts.origin.client)
            out.append("\r\n")
        }
        if facts.statesForwarded && !replaced.contains(.forwarded) {
            out.append("Forwarded: ")
            if facts.origin.isTrusted && noted.hasForwarded {
                unsafe continueList(.forwarded, received, fields, &out)
            }
            unsafe out.appendForwarded(
                peer: facts.peer, isSecure: facts.isSecure, host: received + head.hostStart, head.hostLength)
            out.append("\r\n")
        }
        if !replaced.contains(.requestID) && !kept.contains(.requestID) {
            out.append("X-Request-Id: ")
            out.append(facts.id)
            out.append("\r\n")
        }
        if !replaced.contains(.via) {
            out.append(
                facts.isHTTP2
                    ? "Via: 2.0 sluice\r\n" : head.minorVersion == 0 ? "Via: 1.0 sluice\r\n" : "Via: 1.1 sluice\r\n")
        }
    }

    /// Several lines are one list (RFC 9110 §5.3), which one more element follows.
    private static func continueList(
        _ id: FieldID, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable, _ out: inout HeadWriter
    ) {
        for index in 0..<fields.count where fields[index].id == id && fields[index].valueLength > 0 {
            unsafe out.append(received + Int(fields[index].valueStart), Int(fields[index].valueLength))
            out.append(", ")
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
