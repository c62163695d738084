import Foundation

/// Numbers that follow from a seed.
struct SimulationRandom {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    /// True once in `count` times.
    mutating func onceIn(_ count: Int) -> Bool { below(count) == 0 }
}

/// What one request asks for and what happens to it on its way. The target says all that the endpoint must know.
struct SimulatedExchange {
    enum Framing: Int, CaseIterable { case length, chunked, untilClose }
    /// What the endpoint does to the response.
    enum EndpointFault: Int, CaseIterable {
        case none, interim, resetBeforeHead, cutHead, malformedHead, resetInBody
    }
    /// What the client does to the exchange; it ends the connection.
    enum ClientFault: Int, CaseIterable { case none, resetInHead, resetInBody, resetBeforeResponse, resetInResponse }

    var id: UInt64
    var responseBytes: Int
    var framing: Framing
    var endpointFault: EndpointFault
    var clientFault = ClientFault.none
    /// nil: no body.
    var requestBytes: Int?
    var requestIsChunked = false

    /// - Parameter id: Names the exchange among all of a run.
    init(id: UInt64, _ random: inout SimulationRandom) {
        self.id = id
        responseBytes = [0, 1, 100, 5_000, 40_000, 300_000][random.below(6)]
        framing = Framing.allCases[random.below(3)]
        endpointFault = random.onceIn(8) ? EndpointFault.allCases[random.below(6)] : .none
        if random.onceIn(3) {
            requestBytes = [0, 1, 100, 20_000, 150_000][random.below(5)]
            requestIsChunked = random.onceIn(2)
        }
    }

    init?(target: String) {
        let parts = target.split(separator: "/").compactMap { UInt64($0) }
        guard parts.count == 4, let framing = Framing(rawValue: Int(parts[2])),
            let fault = EndpointFault(rawValue: Int(parts[3]))
        else { return nil }
        (id, responseBytes, self.framing, endpointFault) = (parts[0], Int(parts[1]), framing, fault)
    }

    var target: String { "/\(id)/\(responseBytes)/\(framing.rawValue)/\(endpointFault.rawValue)" }

    /// The response has to come whole.
    var mustSucceed: Bool { endpointFault == .none || endpointFault == .interim }

    /// Bytes that hardly another exchange has; those of more than a few are its own.
    static func body(_ id: UInt64, _ count: Int) -> [UInt8] {
        var random = SimulationRandom(id)
        let start = random.below(noise.count - count)
        return Array(noise[start..<start + count])
    }

    private static let noise: [UInt8] = {
        var random = SimulationRandom(0)
        return (0..<1 << 20).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }()

    /// `body` in chunks of changing size, some with an extension.
    static func chunked(_ body: [UInt8], _ random: inout SimulationRandom) -> [UInt8] {
        var out: [UInt8] = []
        var rest = body[...]
        while !rest.isEmpty {
            let count = min(rest.count, 1 + random.below(random.onceIn(2) ? 20 : 30_000))
            out += Array((String(count, radix: 16) + (random.onceIn(4) ? ";e=\"x\"" : "") + "\r\n").utf8)
            out += rest.prefix(count) + [13, 10]
            rest = rest.dropFirst(count)
        }
        return out + Array("0\r\n\r\n".utf8)
    }

    var requestBody: [UInt8] { Self.body(~id, requestBytes ?? 0) }
    var responseBody: [UInt8] { Self.body(id, responseBytes) }
}
