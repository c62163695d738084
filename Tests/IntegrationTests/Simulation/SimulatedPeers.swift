import Foundation
import Synchronization
import TestKit

/// What went wrong in a run; shared by all of its threads.
final class SimulationFaults: Sendable {
    private let faults = Mutex<[String]>([])

    var all: [String] { faults.withLock { $0 } }

    func note(_ fault: String) { faults.withLock { $0.append(fault) } }
}

extension TCPSocket {
    /// Sends in pieces of changing size, at times byte by byte, at times with a pause.
    func send(_ bytes: [UInt8], inPiecesOf random: inout SimulationRandom) throws {
        let style = random.below(4)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count =
                switch style {
                case 0: rest.count
                case 1: bytes.count - rest.count < 400 ? 1 : rest.count
                case 2: 1 + random.below(60)
                default: 1 + random.below(20_000)
                }
            try send(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
            if random.onceIn(style == 2 ? 200 : 20) { usleep(UInt32(random.below(3_000))) }
        }
    }

    /// A small window, so that writers meet a full one. Below the largest segment of loopback (64 KiB) each turn of it would
    /// wait for a timer of the kernel.
    func narrow() {
        var bytes: CInt = 128 * 1024
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<CInt>.size))
    }
}

/// The endpoint's side of a connection: answers as the target says.
enum SimulatedEndpoint {
    static func serve(_ connection: ScriptedConnection, seed: UInt64, faults: SimulationFaults) throws {
        let reader = HTTPReader(connection.socket)
        while let head = try reader.head() {
            guard let exchange = SimulatedExchange(target: head.target) else {
                faults.note("the endpoint got \(head.startLine)")
                return
            }
            let isWhole = head["X-Id"] == "\(exchange.id)" && head.all("Host") == ["sim"]
            if !isWhole { faults.note("the endpoint got fields of another request: \(head)") }
            let body = [UInt8](try reader.body(.ofRequest(head)))
            if body != SimulatedExchange.body(~exchange.id, body.count) || "\(body.count)" != head["X-Body"] {
                faults.note("the endpoint got \(body.count) bytes of another body with \(head)")
            }
            var random = SimulationRandom(seed ^ exchange.id)
            guard try answer(exchange, to: head.method, connection.socket, &random) else { return }
        }
    }

    /// - Returns: Whether the connection goes on.
    private static func answer(
        _ exchange: SimulatedExchange, to method: String, _ socket: TCPSocket, _ random: inout SimulationRandom
    ) throws -> Bool {
        let body = exchange.responseBody
        var bytes = Array("HTTP/1.1 200 OK\r\nX-Id: \(exchange.id)\r\n".utf8)
        switch exchange.framing {
        case .length: bytes += Array("Content-Length: \(body.count)\r\n\r\n".utf8) + body
        case .chunked:
            bytes += Array("Transfer-Encoding: chunked\r\n\r\n".utf8) + SimulatedExchange.chunked(body, &random)
        case .untilClose: bytes += [13, 10] + body
        }
        switch exchange.endpointFault {
        case .none: break
        case .interim: bytes = Array("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".utf8) + bytes
        case .resetBeforeHead:
            socket.reset()
            return false
        case .cutHead:
            try socket.send(Array(bytes.prefix(20)))
            return false
        case .malformedHead:
            try socket.send("HTTP/1.1 200 OK\r\nX-Id: \(exchange.id)\nContent-Length: 0\r\n\r\n")
            return false
        case .resetInBody:
            try socket.send(Array(bytes.dropLast(max(1, body.count / 2 + 1))), inPiecesOf: &random)
            socket.reset()
            return false
        }
        try socket.send(bytes, inPiecesOf: &random)
        return exchange.framing != .untilClose
    }
}

/// A client: several connections one after the other, several exchanges on each.
struct SimulatedClient {
    let port: UInt16
    let faults: SimulationFaults
    var random: SimulationRandom
    private var nextID: UInt64

    init(port: UInt16, seed: UInt64, number: Int, faults: SimulationFaults) {
        self.port = port
        self.faults = faults
        random = SimulationRandom(seed &* 1_000 &+ UInt64(number))
        nextID = seed << 32 | UInt64(number) << 16
    }

    mutating func run(exchanges: Int) {
        var left = exchanges
        while left > 0 {
            do {
                let socket = try TCPSocket(connectingTo: port, timeout: .seconds(20))
                if random.onceIn(4) { socket.narrow() }
                var isOpen = true
                while isOpen, left > 0 {
                    let batch = makeBatch(min(left, random.onceIn(3) ? 4 : 1))
                    left -= batch.count
                    isOpen = try run(batch, socket)
                }
            } catch {
                faults.note("a client failed: \(error)")
                return
            }
        }
    }

    /// Exchanges that are sent in one go; only the last one may be ended by the client, or have a body.
    private mutating func makeBatch(_ count: Int) -> [SimulatedExchange] {
        var batch = (0..<count).map { _ in
            defer { nextID += 1 }
            return SimulatedExchange(id: nextID, &random)
        }
        for index in batch.indices.dropLast() { batch[index].requestBytes = nil }
        // A response cut short resets the client's connection, and with it the end of those before it.
        if count > 1 {
            for index in batch.indices where batch[index].endpointFault == .resetInBody {
                batch[index].endpointFault = .interim
            }
        }
        if random.onceIn(6) { batch[count - 1].clientFault = .allCases[random.below(5)] }
        return batch
    }

    /// - Returns: Whether the connection can be used on.
    private mutating func run(_ batch: [SimulatedExchange], _ socket: TCPSocket) throws -> Bool {
        var bytes: [UInt8] = []
        for exchange in batch { bytes += request(exchange) }
        let fault = batch[batch.count - 1].clientFault
        if fault == .resetInHead || fault == .resetInBody {
            // The last request is cut: in its head, or somewhere behind it.
            let last = request(batch[batch.count - 1]).count
            let cut = fault == .resetInHead ? last - 10 : max(1, (batch[batch.count - 1].requestBytes ?? 0) / 2)
            try? socket.send(Array(bytes.dropLast(min(cut, bytes.count - 1))), inPiecesOf: &random)
            socket.reset()
            return false
        }
        do {
            try socket.send(bytes, inPiecesOf: &random)
        } catch {
            // The answer may have come before the request was whole: it is read all the same.
            if batch.allSatisfy(\.mustSucceed) { throw error }
        }
        if fault == .resetBeforeResponse {
            socket.reset()
            return false
        }
        var pauses = random
        let reader = HTTPReader(socket) { _ in
            if pauses.onceIn(10) { usleep(UInt32(pauses.below(2_000))) }
        }
        for exchange in batch {
            if exchange.clientFault == .resetInResponse {
                _ = try? socket.receive(upTo: 1 + random.below(2_000))
                socket.reset()
                return false
            }
            guard try receive(exchange, reader) else { return false }
        }
        return true
    }

    private mutating func request(_ exchange: SimulatedExchange) -> [UInt8] {
        var own = SimulationRandom(exchange.id)
        let method = exchange.requestBytes == nil ? "GET" : "POST"
        let body = exchange.requestBody
        var head =
            "\(method) \(exchange.target) HTTP/1.1\r\nHost: sim\r\nX-Id: \(exchange.id)\r\nX-Body: \(body.count)\r\n"
        guard exchange.requestBytes != nil else { return Array((head + "\r\n").utf8) }
        head +=
            exchange.requestIsChunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: \(body.count)\r\n\r\n"
        return Array(head.utf8) + (exchange.requestIsChunked ? SimulatedExchange.chunked(body, &own) : body)
    }

    /// - Returns: Whether the connection can be used on.
    private func receive(_ exchange: SimulatedExchange, _ reader: HTTPReader) throws -> Bool {
        var body: [UInt8] = []
        var head: HTTPHead?
        do {
            repeat { head = try reader.head() } while head.map { $0.status < 200 } ?? false
            if let head { try reader.body(.ofResponse(head, to: "GET")) { body.append(contentsOf: $0) } }
        } catch {
            guard exchange.endpointFault == .resetInBody else {
                faults.note("\(exchange): \(error) after \(body.count) bytes behind \(head?.startLine ?? "nothing")")
                return false
            }
        }
        guard let head else {
            // The pipelined requests behind one that ended the connection.
            if exchange.mustSucceed { faults.note("\(exchange): no response") }
            return false
        }
        if head.status == 200 {
            if head["X-Id"] != "\(exchange.id)" { faults.note("\(exchange): the response is another's: \(head)") }
            let isRight =
                exchange.mustSucceed
                ? body == exchange.responseBody : exchange.responseBody.starts(with: body)
            if !isRight { faults.note("\(exchange): \(body.count) bytes that are not its body") }
        }
        // A reset may take along what was on its way before it.
        let expected =
            exchange.mustSucceed ? [200] : exchange.endpointFault == .resetInBody ? [200, 502] : [502]
        if !expected.contains(head.status) { faults.note("\(exchange): \(head.startLine)") }
        return exchange.endpointFault != .resetInBody && head["Connection"]?.lowercased() != "close"
    }
}
