import EventLoop
import HTTP1
import Snapshot
import TLS

/// A request as the variables of rules see it: what was received, and what is known of it besides.
@safe
struct RequestView: BitwiseCopyable {
    /// The head; it stays where it is as long as the view is used.
    private let received: UnsafePointer<UInt8>
    private let head: RequestHead
    private let origin: RequestOrigin
    private let id: RequestID
    private let route: Bytes
    private let listener: Bytes
    /// The response's; 0 before there is one.
    var status = 0
    /// Of the client's connection; nil in the clear.
    var tls: TLSStream?

    init(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ origin: RequestOrigin, id: RequestID, route: Bytes,
        listener: Bytes
    ) {
        unsafe self.received = unsafe received
        self.head = head
        self.origin = origin
        self.id = id
        self.route = route
        self.listener = listener
    }

    func write(_ template: CompiledTemplate, in place: PercentEncoding.Place, to out: inout HeadWriter) {
        for index in 0..<template.count { write(template[index], in: place, to: &out) }
    }

    func write(_ part: CompiledTemplate.Part, in place: PercentEncoding.Place, to out: inout HeadWriter) {
        switch part {
        case .literal(let text): out.append(text)
        case .field(let name): writeField(name, in: place, to: &out)
        case .variable(let variable): write(variable, in: place, to: &out)
        }
    }

    private func write(_ variable: Variable, in place: PercentEncoding.Place, to out: inout HeadWriter) {
        switch variable {
        case .clientIP: out.append(origin.client)
        case .clientPort: out.append(decimal: Int(origin.client.port))
        case .host: append(head.hostStart, head.hostLength, in: place, to: &out)
        case .hostname: append(head.hostStart, hostnameLength, in: place, to: &out)
        case .requestID:
            if origin.idLength > 0 {
                append(Int(origin.idStart), Int(origin.idLength), in: place, to: &out)
            } else {
                out.append(id)
            }
        case .path:
            // `*`, and an absolute target without a path.
            if head.pathLength == 0 { out.append("/") }
            append(head.originStart, head.pathLength, in: place, to: &out)
        case .query:
            guard head.originLength > head.pathLength else { return }
            append(
                head.originStart + head.pathLength + 1, head.originLength - head.pathLength - 1, in: place, to: &out)
        case .method: append(0, head.methodLength, in: place, to: &out)
        case .scheme: out.append(origin.isSecure ? "https" : "http")
        case .route: out.append(route)
        case .listener: out.append(listener)
        case .status: out.append(decimal: status)
        case .tlsVersion: append(tls?.version.name, in: place, to: &out)
        case .tlsCipher: append(tls?.cipher, in: place, to: &out)
        case .tlsServerName: append(tls?.serverName, in: place, to: &out)
        case .tlsClientSubject: append(tls?.peerSubject, in: place, to: &out)
        }
    }

    private func append(_ text: String?, in place: PercentEncoding.Place, to out: inout HeadWriter) {
        guard var text, !text.isEmpty else { return }
        text.withUTF8 { unsafe out.append($0.baseAddress!, $0.count, in: place) }
    }

    private func append(_ start: Int, _ count: Int, in place: PercentEncoding.Place, to out: inout HeadWriter) {
        unsafe out.append(received + start, count, in: place)
    }

    /// The host up to its port; of `[2001:db8::1]:80` the brackets stay.
    private var hostnameLength: Int {
        let host = unsafe Span(_unsafeStart: received, count: head.length)
            .extracting(head.hostStart..<head.hostStart + head.hostLength)
        var end = 0
        var isBracketed = false
        while end < host.count {
            if host[end] == 0x3a && !isBracketed { break }
            if host[end] == 0x5b { isBracketed = true }
            if host[end] == 0x5d { isBracketed = false }
            end += 1
        }
        return end
    }

    /// Lines of that name are one list (RFC 9110 §5.3). They are looked for in the bytes: the table of fields may
    /// hold another head's by now.
    private func writeField(_ name: Bytes, in place: PercentEncoding.Place, to out: inout HeadWriter) {
        let bytes = unsafe Span(_unsafeStart: received, count: head.length)
        var line = head.targetStart + head.targetLength + 11
        var isFirst = true
        while line < bytes.count {
            var end = line
            while end < bytes.count, bytes[end] != 0x0d { end += 1 }
            let colon = line + name.count
            if colon < end, bytes[colon] == 0x3a,
                unsafe name.equalsIgnoringCase(received + line, count: name.count)
            {
                var low = colon + 1
                var high = end
                while low < high, bytes[low] == 0x20 || bytes[low] == 0x09 { low += 1 }
                while high > low, bytes[high - 1] == 0x20 || bytes[high - 1] == 0x09 { high -= 1 }
                if !isFirst { out.append(place == .field ? ", " : "%2C%20") }
                isFirst = false
                append(low, high - low, in: place, to: &out)
            }
            line = end + 2
        }
    }
}
