import HTTP1
import HTTPMessage
import Snapshot

/// What composing a response head needs to know besides the received head.
struct ResponseFacts {
    /// `Connection: close` is sent.
    var closes: Bool
    /// The response is a 101 to WebSocket.
    var switchesProtocol = false
    /// The response is a 2xx to CONNECT.
    var opensTunnel = false
    /// An HTTP/1.0 client asked for `keep-alive` and gets it.
    var statesKeepAlive: Bool
    /// The body goes on without its chunk framing (to an HTTP/1.0 client).
    var dropsTransferEncoding: Bool
    /// Sent with the final head.
    var cookie: SessionCookieLine?
}

/// Writes the head that goes to the client: the endpoint's lines in runs, without hop-by-hop fields and what the
/// rules drop, with ours behind them.
enum ResponseComposer {
    /// - Parameter request: What the rules' variables stand for; nil only when the rules add nothing.
    static func write(
        _ head: ResponseHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable,
        _ rules: CompiledRules, _ facts: ResponseFacts, date: borrowing DateText,
        request: RequestView?, into out: inout HeadWriter
    ) {
        out.reset()
        out.append("HTTP/1.1 ")
        unsafe out.append(received + head.statusStart, head.statusLineEnd - head.statusStart)
        out.append("\r\n")
        var respellsFraming = false
        // Neither has what comes after a 2xx to CONNECT (RFC 9110 §9.3.6).
        let hasNoFraming = head.status < 200 || head.status == 204 || facts.opensTunnel
        var runStart = fields.count > 0 ? Int(fields[0].nameStart) : head.length - 2
        for index in 0..<fields.count {
            let field = fields[index]
            var isDropped = field.id.isHopByHop
            // 1xx and 204 have no body, and so no framing (RFC 9110 §8.6, RFC 9112 §6.1).
            if field.id == .transferEncoding || field.id == .contentLength {
                isDropped = hasNoFraming || field.id == .transferEncoding && facts.dropsTransferEncoding
                if !isDropped, unsafe !PlainField.isPlain(field, received) {
                    isDropped = true
                    respellsFraming = true
                }
            }
            if !isDropped, unsafe rules.drops(received + Int(field.nameStart), Int(field.nameLength)) {
                isDropped = true
            }
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
        if respellsFraming { PlainField.writeFraming(head.facts, &out) }
        // RFC 9110 §6.6.1: whoever passes on a response without Date adds it.
        if !head.facts.hasDate && !head.isInterim {
            out.append("Date: ")
            date.write(to: &out)
            out.append("\r\n")
        }
        if !head.isInterim, var request {
            request.status = head.status
            for index in 0..<rules.partCount { request.write(rules[index], in: .field, to: &out) }
        }
        if !head.isInterim, let cookie = facts.cookie { cookie.write(to: &out) }
        if facts.switchesProtocol {
            out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n")
        } else if facts.opensTunnel {
            // The connection isn't HTTP's any more.
        } else if facts.closes {
            out.append("Connection: close\r\n")
        } else if facts.statesKeepAlive {
            out.append("Connection: keep-alive\r\n")
        }
        out.append("\r\n")
    }
}
