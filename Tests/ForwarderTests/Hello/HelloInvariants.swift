// The fuzzer compiles the parser together with this file.
#if canImport(Forwarder)
    @testable import Forwarder
#endif

/// What holds for every beginning of a connection: the parser agrees with the plain one, whole and byte by byte.
enum HelloInvariants {
    /// - Returns: What is wrong; nil when all of it holds.
    static func fault(_ input: [UInt8]) -> String? {
        let expected = ReferenceHello.read(input)
        var records = HelloRecords()
        let whole = read(input, &records)
        guard whole == expected else { return "read \(whole), expected \(expected)" }
        var resumed = HelloRecords()
        for count in 0...input.count {
            let outcome = read(Array(input.prefix(count)), &resumed)
            if outcome == .incomplete && count < input.count { continue }
            // More bytes complete or break what isn't whole; they change nothing that was said.
            return outcome == expected ? nil : "after \(count) bytes \(outcome), expected \(expected)"
        }
        return nil
    }

    /// What the worker makes of the bytes, in the form of the plain parser.
    static func read(_ input: [UInt8], _ records: inout HelloRecords) -> ReferenceHello.Outcome {
        switch records.advance(input.span) {
        case .incomplete: return .incomplete
        case .malformed: return .malformed
        case .tooLarge: return .tooLarge
        case .complete: break
        }
        let count = records.messageCount
        var message = [UInt8](repeating: 0, count: count)
        message.withUnsafeMutableBufferPointer { records.gather(input.span, into: $0.baseAddress!) }
        if records.isInOneRecord && message != Array(input[5..<5 + count]) {
            fatalError("the message of one record is another: \(message)")
        }
        let body = Array(message[HelloRecords.headBytes...])
        guard let hello = ClientHello(body.span) else { return .malformed }
        var read = ReferenceHello(serverName: Array(body[hello.serverName.start..<hello.serverName.end]))
        var position = hello.protocols.start
        while position < hello.protocols.end {
            let end = position + 1 + Int(body[position])
            read.protocols.append(Array(body[position + 1..<end]))
            position = end
        }
        return .complete(read)
    }
}
