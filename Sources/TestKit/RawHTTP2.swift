import Foundation

/// A client of HTTP/2 that sends the frames it is told to, right or wrong, and keeps what it receives.
package final class RawHTTP2 {
    private let socket: TCPSocket
    private var received: [UInt8] = []
    /// Of each DATA frame so far, by stream.
    private var data: [UInt32: Int] = [:]
    private var ended: Set<UInt32> = []
    private var types: Set<UInt8> = []
    /// The code of a GOAWAY frame.
    package private(set) var goAway: UInt32?

    /// Connects, and sends the preface and empty SETTINGS (RFC 9113 §3.4).
    package init(_ port: UInt16, greets: Bool = true) throws {
        socket = try TCPSocket(connectingTo: port)
        if greets { try send([UInt8]("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(4, 0, 0)) }
    }

    package func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }

    package func close() { socket.close() }

    // MARK: frames

    package func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8] = []) -> [UInt8] {
        let length = payload.count
        let head: [UInt8] = [
            UInt8(length >> 16 & 255), UInt8(length >> 8 & 255), UInt8(length & 255), type, flags,
        ]
        return head + word(stream) + payload
    }

    private func word(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }

    /// Fields as literals that aren't indexed (RFC 7541 §6.2.2); names and values below 127 bytes.
    package func block(_ fields: [(String, String)]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (name, value) in fields {
            bytes += [0, UInt8(name.utf8.count)]
            bytes += name.utf8
            bytes.append(UInt8(value.utf8.count))
            bytes += value.utf8
        }
        return bytes
    }

    package func get(_ stream: UInt32, path: String = "/", fields: [(String, String)] = []) -> [UInt8] {
        let head = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", path)]
        return frame(1, 5, stream, block(head + fields))
    }

    package func reset(_ stream: UInt32) -> [UInt8] { frame(3, 0, stream, word(8)) }

    package func ping() -> [UInt8] { frame(6, 0, 0, [UInt8](repeating: 7, count: 8)) }

    package func window(_ stream: UInt32, _ increment: UInt32) -> [UInt8] { frame(8, 0, stream, word(increment)) }

    // MARK: what came

    package func dataBytes(_ stream: UInt32) -> Int { data[stream] ?? 0 }

    package func waitForData(_ count: Int) throws {
        try wait("\(count) bytes of data") { data.values.reduce(0, +) >= count }
    }

    package func waitForEnd(of stream: UInt32) throws {
        try wait("the end of stream \(stream)") { ended.contains(stream) }
    }

    package func waitForFrame(type: UInt8) throws { try wait("a frame of type \(type)") { types.contains(type) } }

    /// Reads until the server has closed, or reset, the connection.
    package func waitForClose() { while (try? receive()) == true {} }

    private func wait(_ what: String, _ condition: () -> Bool) throws {
        while !condition() {
            guard try receive() else { throw TestKitError("the connection was closed before \(what)") }
        }
    }

    /// - Returns: false at the end of the stream.
    private func receive() throws -> Bool {
        let bytes = try socket.receive()
        guard !bytes.isEmpty else { return false }
        received += bytes
        while received.count >= 9 {
            let length = Int(received[0]) << 16 | Int(received[1]) << 8 | Int(received[2])
            guard received.count >= 9 + length else { break }
            let stream = received[5...8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let (type, flags) = (received[3], received[4])
            types.insert(type)
            if type == 0 { data[stream, default: 0] += length }
            if type < 2 && flags & 1 != 0 { ended.insert(stream) }
            if type == 7, length >= 8 { goAway = received[13...16].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
            received.removeFirst(9 + length)
        }
        return true
    }
}
