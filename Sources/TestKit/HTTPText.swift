package import Foundation

/// The start line and fields of a message as they stood on the wire.
package struct HTTPHead: Sendable, CustomStringConvertible {
    package let raw: String
    package let startLine: String
    package let fields: [(name: String, value: String)]

    /// - Parameter raw: From the start line to the empty line, with line ends.
    package init(_ raw: String) {
        self.raw = raw
        var lines = raw.replacing("\r\n", with: "\n").split(separator: "\n", omittingEmptySubsequences: true)
        startLine = lines.isEmpty ? "" : String(lines.removeFirst())
        fields = lines.map { line in
            guard let colon = line.firstIndex(of: ":") else { return (String(line), "") }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            return (String(line[..<colon]), value)
        }
    }

    /// The values of every field of that name, in order.
    package func all(_ name: String) -> [String] {
        fields.filter { $0.name.caseInsensitiveCompare(name) == .orderedSame }.map(\.value)
    }

    /// The value of the first field of that name.
    package subscript(name: String) -> String? { all(name).first }

    /// The status code of a response; 0 when the start line has none.
    package var status: Int {
        let words = startLine.split(separator: " ")
        return words.count > 1 ? Int(words[1]) ?? 0 : 0
    }

    /// Method and target of a request.
    package var method: String { String(startLine.prefix { $0 != " " }) }
    package var target: String {
        let words = startLine.split(separator: " ")
        return words.count > 1 ? String(words[1]) : ""
    }

    package var description: String { raw }
}

/// How many bytes follow a head, RFC 9112 §6.3.
package enum HTTPBodyLength: Equatable, Sendable {
    case none
    case exactly(Int)
    case chunked
    case untilClose

    package static func ofRequest(_ head: HTTPHead) -> HTTPBodyLength {
        if head["Transfer-Encoding"]?.lowercased().contains("chunked") == true { return .chunked }
        return head["Content-Length"].flatMap { Int($0) }.map { .exactly($0) } ?? .none
    }

    package static func ofResponse(_ head: HTTPHead, to method: String) -> HTTPBodyLength {
        let status = head.status
        if method == "HEAD" || status / 100 == 1 || status == 204 || status == 304 { return .none }
        if head["Transfer-Encoding"]?.lowercased().contains("chunked") == true { return .chunked }
        return head["Content-Length"].flatMap { Int($0) }.map { .exactly($0) } ?? .untilClose
    }
}

/// Cuts the bytes of a connection into heads and bodies. For well-formed peers: it is the yardstick, not the product.
package final class HTTPReader {
    private let socket: TCPSocket
    private let observe: (UnsafeRawBufferPointer) -> Void
    private var buffer: [UInt8] = []

    /// - Parameter observe: Sees every received byte before it is parsed.
    package init(_ socket: TCPSocket, observe: @escaping (UnsafeRawBufferPointer) -> Void = { _ in }) {
        self.socket = socket
        self.observe = observe
    }

    /// The next head; nil when the stream ends before its first byte.
    ///
    /// - Throws: `TestKitError` when the stream ends inside it; `SystemCallError`.
    package func head() throws -> HTTPHead? {
        while true {
            if let end = endOfHead() {
                let text = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeFirst(end)
                return HTTPHead(text)
            }
            guard try fill() else {
                if buffer.isEmpty { return nil }
                throw TestKitError("the stream ended inside a head, after \(buffer.count) bytes")
            }
        }
    }

    /// The whole body.
    package func body(_ length: HTTPBodyLength) throws -> Data {
        var whole = Data()
        try body(length) { whole.append(contentsOf: $0) }
        return whole
    }

    /// Passes the body on piece by piece, without the chunked framing.
    ///
    /// - Throws: `TestKitError` when it ends too soon or a chunk is malformed.
    package func body(_ length: HTTPBodyLength, _ consume: (UnsafeRawBufferPointer) throws -> Void) throws {
        switch length {
        case .none: return
        case .exactly(let count): try take(count, consume)
        case .chunked:
            while true {
                let line = try line()
                guard let count = Int(line.prefix { $0 != ";" }, radix: 16) else {
                    throw TestKitError("not a chunk size: \(line.debugDescription)")
                }
                if count == 0 {
                    while try !self.line().isEmpty {}  // trailers
                    return
                }
                try take(count, consume)
                guard try self.line().isEmpty else { throw TestKitError("no line end after a chunk") }
            }
        case .untilClose:
            repeat {
                try buffer.withUnsafeBytes(consume)
                buffer.removeAll(keepingCapacity: true)
            } while try fill()
        }
    }

    /// Drops what is received and not yet read; answers how many bytes that were.
    func takeBuffered() -> Int {
        defer { buffer.removeAll() }
        return buffer.count
    }

    private func take(_ count: Int, _ consume: (UnsafeRawBufferPointer) throws -> Void) throws {
        var left = count
        while left > 0 {
            if buffer.isEmpty, try !fill() {
                throw TestKitError("the stream ended with \(left) of \(count) body bytes missing")
            }
            let piece = min(left, buffer.count)
            try buffer.withUnsafeBytes { try consume(UnsafeRawBufferPointer(rebasing: $0[..<piece])) }
            buffer.removeFirst(piece)
            left -= piece
        }
    }

    private func line() throws -> String {
        while true {
            if let end = buffer.firstIndex(of: UInt8(ascii: "\n")) {
                var text = buffer[..<end]
                if text.last == UInt8(ascii: "\r") { text = text.dropLast() }
                defer { buffer.removeFirst(end + 1) }
                return String(decoding: text, as: UTF8.self)
            }
            guard try fill() else { throw TestKitError("the stream ended inside a line") }
        }
    }

    private func endOfHead() -> Int? {
        buffer.withUnsafeBytes { GNUCalls.offset(of: "\r\n\r\n", in: $0).map { $0 + 4 } }
    }

    private func fill() throws -> Bool {
        let more = try socket.receive(upTo: 262_144)
        more.withUnsafeBytes(observe)
        buffer += more
        return !more.isEmpty
    }
}
