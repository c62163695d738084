/// A ClientHello read the plain way, with arrays and from the start each time: what `HelloRecords` and `ClientHello` must
/// agree with. The fuzzer uses it, too.
struct ReferenceHello: Equatable {
    /// Without a dot at its end.
    var serverName: [UInt8] = []
    var protocols: [[UInt8]] = []

    enum Outcome: Equatable {
        case incomplete
        case complete(ReferenceHello)
        case malformed
        case tooLarge
    }

    static func read(_ received: [UInt8]) -> Outcome {
        var message: [UInt8] = []
        var rest = received[...]
        while true {
            for (byte, wanted) in zip(rest, [0x16, 3] as [UInt8]) where byte != wanted { return .malformed }
            guard rest.count >= 5 else { return .incomplete }
            let length = Int(rest[rest.startIndex + 3]) << 8 | Int(rest[rest.startIndex + 4])
            guard (1...16_384).contains(length) else { return .malformed }
            guard rest.startIndex + 5 + length <= 32_768 else { return .tooLarge }
            message += rest.dropFirst(5).prefix(length)
            if let type = message.first, type != 1 { return .malformed }
            if message.count >= 4 {
                let count = Int(message[1]) << 16 | Int(message[2]) << 8 | Int(message[3])
                guard count + 4 <= 16_384 else { return .tooLarge }
                if message.count >= count + 4 {
                    return body(message[4..<count + 4]).map { .complete($0) } ?? .malformed
                }
            }
            guard rest.count >= 5 + length else { return .incomplete }
            rest = rest.dropFirst(5 + length)
        }
    }

    private static func body(_ bytes: ArraySlice<UInt8>) -> ReferenceHello? {
        var (bytes, hello) = (bytes, ReferenceHello())
        guard take(34, &bytes) != nil else { return nil }
        for lengthBytes in [1, 2, 1] {
            guard vector(lengthBytes, &bytes) != nil else { return nil }
        }
        if bytes.isEmpty { return hello }
        guard var extensions = vector(2, &bytes), bytes.isEmpty else { return nil }
        var seen: Set<[UInt8]> = []
        while !extensions.isEmpty {
            guard let type = take(2, &extensions).map(Array.init), var content = vector(2, &extensions) else {
                return nil
            }
            guard type == [0, 0] || type == [0, 16] else { continue }
            guard seen.insert(type).inserted, var list = vector(2, &content), content.isEmpty else { return nil }
            while !list.isEmpty {
                if type == [0, 16] {
                    guard let name = vector(1, &list), !name.isEmpty else { return nil }
                    hello.protocols.append(Array(name))
                    guard hello.protocols.count <= 64 else { return nil }
                } else {
                    guard let kind = take(1, &list)?.first, let name = vector(2, &list) else { return nil }
                    guard kind == 0 else { continue }
                    guard seen.insert([0]).inserted, !name.isEmpty else { return nil }
                    hello.serverName = Array(name.last == 0x2e ? name.dropLast() : name)
                }
            }
        }
        return hello
    }

    private static func take(_ count: Int, _ bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard bytes.count >= count else { return nil }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count)
    }

    private static func vector(_ lengthBytes: Int, _ bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        take(lengthBytes, &bytes).flatMap { take($0.reduce(0) { $0 << 8 | Int($1) }, &bytes) }
    }
}
