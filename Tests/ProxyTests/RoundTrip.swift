import EventLoop
import HTTP1
import HTTPMessage
import Snapshot

@testable import Proxy

/// What must hold between a message that the parser accepts and what the composers make of it: one message, with the same
/// end, that says nothing which the sender was not allowed to say. Tried by the tests on random heads, by the fuzzer on any.
enum RoundTrip {
    private static let client = "192.0.2.7"
    private static let id = RequestID(high: 0x0123_4567_89ab_cdef, low: 1)
    /// What the composed head may need beyond the received one.
    private static let widest = HeadLimits(headBytesMax: 65_535, fieldCountMax: 256)
    private static let standard = HeadLimits(headBytesMax: 32 * 1024, fieldCountMax: 100)

    /// A parsed head that owns its bytes.
    struct Request {
        let bytes: [UInt8]
        var head = RequestHead()
        var fields: [Field] = []

        init?(_ bytes: [UInt8], _ limits: HeadLimits) {
            self.bytes = bytes
            var table = FieldTable()
            guard head.parse(bytes.span, limits: limits, fields: &table) == .complete else { return nil }
            for index in 0..<table.count { fields.append(table[index]) }
        }

        func values(_ id: FieldID) -> [String] {
            fields.filter { $0.id == id }.map { text(Int($0.valueStart), Int($0.valueLength)) }
        }

        func text(_ start: Int, _ count: Int) -> String {
            String(String.UnicodeScalarView(bytes[start..<start + count].map { Unicode.Scalar($0) }))
        }
    }

    /// - Returns: What is wrong with the request that goes to the endpoint, or nil; nil too when `bytes` are no request.
    static func requestFault(_ bytes: [UInt8]) -> String? {
        // CONNECT is never composed as a request in origin form.
        guard let received = Request(bytes, standard), received.head.method != .connect else { return nil }
        for isTrusted in [false, true] {
            let composed = compose(received, isTrusted: isTrusted)
            guard let sent = Request(composed, widest) else { return "refused again: \(describe(composed))" }
            if let fault = fault(received, sent, isTrusted: isTrusted) { return "\(fault): \(describe(composed))" }
            // What goes to an endpoint that is another proxy of ours is the same there.
            guard let again = Request(compose(sent, isTrusted: true), widest) else { return "refused at the next hop" }
            if again.head.framing != sent.head.framing || path(again) != path(sent) {
                return "not the same at the next hop"
            }
        }
        return nil
    }

    private static func fault(_ received: Request, _ sent: Request, isTrusted: Bool) -> String? {
        let (old, new) = (received.head, sent.head)
        if new.length != sent.bytes.count { return "\(sent.bytes.count - new.length) bytes behind the head" }
        if new.framing != old.framing { return "framing \(new.framing), not \(old.framing)" }
        if new.minorVersion != 1 || new.isAbsolute { return "not in origin form" }
        if sent.text(0, new.methodLength) != received.text(0, old.methodLength) { return "another method" }
        if old.namesHost, sent.text(new.hostStart, new.hostLength) != received.text(old.hostStart, old.hostLength) {
            return "another host"
        }
        if path(sent) != normal(path(received), of: old) { return "path \(path(sent))" }
        for id in [FieldID.connection, .keepAlive, .proxyConnection, .lookalike] where !sent.values(id).isEmpty {
            return "\(id) went on"
        }
        if sent.values(.host).count != 1 { return "not one Host" }
        if !isTrusted {
            let expected: [(FieldID, [String])] = [
                (.xForwardedFor, [client]), (.xRealIP, [client]), (.xForwardedProto, ["http"]), (.forwarded, []),
                (.xForwardedOther, []), (.xRequestID, ["0123456789abcdef0000000000000001"]),
            ]
            for (id, values) in expected where sent.values(id) != values { return "\(id): \(sent.values(id))" }
        } else if sent.values(.xForwardedFor).last?.hasSuffix(client) != true || sent.values(.xRequestID).count != 1 {
            return "forwarding fields \(sent.values(.xForwardedFor)), \(sent.values(.xRequestID))"
        }
        for field in sent.fields where [.host, .contentLength, .transferEncoding].contains(field.id) {
            let isPlain = sent.bytes.withUnsafeBufferPointer { PlainField.isPlain(field, $0.baseAddress!) }
            if !isPlain, !(field.id == .host && field.valueLength == 0) { return "\(field.id) in another spelling" }
        }
        return nil
    }

    private static func path(_ request: Request) -> String {
        request.text(request.head.originStart, request.head.pathLength)
    }

    private static func normal(_ path: String, of head: RequestHead) -> String {
        if head.originLength == 0 { return head.method == .options ? "" : "/" }
        let bytes = path.unicodeScalars.map { UInt8($0.value) }
        if bytes.isEmpty { return "/" }
        var out = [UInt8](repeating: 0, count: bytes.count)
        let count = bytes.withUnsafeBufferPointer { bytes in
            out.withUnsafeMutableBufferPointer {
                NormalPath.write(bytes.baseAddress!, bytes.count, to: $0.baseAddress!)
            }
        }
        return String(String.UnicodeScalarView(out[..<count].map { Unicode.Scalar($0) }))
    }

    private static func compose(_ request: Request, isTrusted: Bool) -> [UInt8] {
        var table = FieldTable()
        for field in request.fields { _ = table.append(field) }
        var writer = HeadWriter()
        let peer = IPEndpoint("\(client):4711")!
        let origin =
            isTrusted
            ? RequestOrigin(peer: peer, request.bytes.span, table) { $0 == peer } : RequestOrigin(client: peer)
        let facts = RequestFacts(
            peer: peer, endpoint: IPEndpoint("10.0.0.1:9000")!, origin: origin, id: id, route: host, listener: host,
            statesForwarded: false)
        request.bytes.withUnsafeBufferPointer {
            RequestComposer.write(
                request.head, $0.baseAddress!, table, rules, rewrite, facts, into: &writer)
        }
        return [UInt8](UnsafeBufferPointer(start: writer.bytes, count: writer.count))
    }

    /// - Returns: What is wrong with the response that goes to the client, or nil; nil too when `bytes` are no response.
    static func responseFault(_ bytes: [UInt8]) -> String? {
        var head = ResponseHead()
        var fields = FieldTable()
        guard head.parse(bytes.span, limits: standard, fields: &fields) == .complete else { return nil }
        for (closes, isOld) in [(false, false), (true, false), (true, true)] {
            var writer = HeadWriter()
            var date = DateText()
            date.update(784_111_777)
            let facts = ResponseFacts(
                closes: closes, statesKeepAlive: false, dropsTransferEncoding: isOld)
            bytes.withUnsafeBufferPointer {
                ResponseComposer.write(
                    head, $0.baseAddress!, fields, rules, facts, date: date,
                    request: RequestView(
                        RequestHead(), $0.baseAddress!, RequestOrigin(client: IPEndpoint("\(client):4711")!), id: id,
                        route: host, listener: host), into: &writer)
            }
            let composed = [UInt8](UnsafeBufferPointer(start: writer.bytes, count: writer.count))
            var sent = ResponseHead()
            var table = FieldTable()
            guard sent.parse(composed.span, limits: widest, fields: &table) == .complete else {
                return "refused again: \(describe(composed))"
            }
            if sent.length != composed.count { return "bytes behind the head: \(describe(composed))" }
            if sent.status != head.status || sent.minorVersion != 1 { return "another status: \(describe(composed))" }
            for method in [HTTPMessage.Method.get, .head] {
                let framing = head.framing(answering: method)
                let expected = isOld && framing == .chunked ? .untilClose : framing
                if sent.framing(answering: method) != expected { return "framing: \(describe(composed))" }
            }
            if sent.facts.closes != closes { return "closes: \(describe(composed))" }
            for index in 0..<table.count where [.keepAlive, .proxyConnection, .te].contains(table[index].id) {
                return "\(table[index].id) went on: \(describe(composed))"
            }
        }
        return nil
    }

    /// - Returns: What is wrong with the chunked body that goes on, or nil; nil too when `bytes` are none.
    static func chunkedFault(_ bytes: [UInt8]) -> String? {
        guard let received = passed(bytes, piece: bytes.count, dropsFraming: true) else { return nil }
        for piece in [1, 3, bytes.count] {
            guard let sent = passed(bytes, piece: piece, dropsFraming: false) else {
                return "malformed in pieces of \(piece)"
            }
            guard let again = passed(sent, piece: sent.count, dropsFraming: true), again == received else {
                return "other data in pieces of \(piece): \(describe(sent))"
            }
            if passed(sent, piece: 2, dropsFraming: false) != sent { return "extensions went on: \(describe(sent))" }
        }
        return nil
    }

    /// What a body becomes on its way; nil when it is malformed or not whole.
    private static func passed(_ bytes: [UInt8], piece: Int, dropsFraming: Bool) -> [UInt8]? {
        var progress = BodyProgress(.chunked, dropsFraming: dropsFraming)
        var buffer: [UInt8] = []
        var out: [UInt8] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            buffer += rest.prefix(max(piece, 1))
            rest = rest.dropFirst(max(piece, 1))
            steps: while !buffer.isEmpty, !progress.isComplete {
                switch buffer.withUnsafeBufferPointer({ progress.next($0.baseAddress!, buffer.count) }) {
                case .send(let count):
                    out += buffer[..<count]
                    buffer.removeFirst(count)
                    progress.advance(count)
                case .skip(let count): buffer.removeFirst(count)
                case .wait: break steps
                case .malformed: return nil
                }
            }
            if progress.isComplete { return out }
        }
        return nil
    }

    // Made once: an arena keeps what it was asked for.
    nonisolated(unsafe) private static let arena = Arena()
    nonisolated(unsafe) private static let rules = CompiledRules(HeaderRules(), arena: arena)
    nonisolated(unsafe) private static let rewrite = CompiledRewrite(TargetRewrite(), arena: arena)
    nonisolated(unsafe) private static let host = arena.make("a")

    private static func describe(_ bytes: [UInt8]) -> String {
        String(String.UnicodeScalarView(bytes.prefix(600).map { Unicode.Scalar($0) })).debugDescription
    }
}
