import HTTP1
import HTTPMessage

/// What must hold for every input whatever: replayed over the corpus by the tests, and tried by the fuzzer.
enum HeadInvariants {
    private static let limits = [
        HeadLimits.standard, HeadLimits(headBytesMax: 64, fieldCountMax: 3),
        HeadLimits(headBytesMax: 14, fieldCountMax: 0),
    ]

    /// - Returns: The invariant that `bytes` break, or nil.
    static func requestFault(_ bytes: [UInt8]) -> String? {
        for limits in limits {
            let request = ParsedRequest(bytes, limits: limits)
            let reference = ReferenceRequest.parse(
                bytes, headBytesMax: limits.headBytesMax, fieldCountMax: limits.fieldCountMax)
            if let fault = difference(request, reference) ?? unseenFault(bytes, request.outcome, limits) {
                return "\(fault), limits \(limits)"
            }
            let length = request.outcome == .complete ? request.head.length : nil
            let fault = growthFault(bytes, request.outcome, length, limits) { bytes in
                let other = ParsedRequest(bytes, limits: limits)
                return (other.outcome, other.head.length)
            }
            if let fault { return "\(fault), limits \(limits)" }
        }
        return nil
    }

    /// - Returns: The invariant that `bytes` break, or nil.
    static func responseFault(_ bytes: [UInt8]) -> String? {
        for limits in limits {
            let response = ParsedResponse(bytes, limits: limits)
            let reference = ReferenceResponse.parse(
                bytes, headBytesMax: limits.headBytesMax, fieldCountMax: limits.fieldCountMax)
            if let fault = difference(response, reference) ?? unseenFault(bytes, response.outcome, limits) {
                return "\(fault), limits \(limits)"
            }
            let length = response.outcome == .complete ? response.head.length : nil
            let fault = growthFault(bytes, response.outcome, length, limits) { bytes in
                let other = ParsedResponse(bytes, limits: limits)
                return (other.outcome, other.head.length)
            }
            if let fault { return "\(fault), limits \(limits)" }
        }
        return nil
    }

    private static func difference(
        _ request: ParsedRequest, _ reference: ReferenceHead.Verdict<ReferenceRequest>
    ) -> String? {
        let expected: ReferenceRequest
        switch (request.outcome, reference) {
        case (.complete, .accepted(let accepted)): expected = accepted
        case (.failed, .refused), (.failed, .unfinished), (.incomplete, .unfinished): return nil
        default: return "outcome \(request.outcome), not \(reference)"
        }
        let head = request.head
        if head.length != expected.head.length { return "length \(head.length), not \(expected.head.length)" }
        if head.methodLength != expected.method.count { return "method of \(head.methodLength) bytes" }
        if octets(request.target) != expected.target { return "target \(request.target)" }
        if octets(request.origin) != expected.origin { return "origin form \(request.origin)" }
        if octets(request.path) != Array(expected.origin.prefix { $0 != 63 }) { return "path \(request.path)" }
        if octets(request.host) != expected.host { return "host \(request.host)" }
        if head.framing != expected.framing { return "framing \(head.framing), not \(expected.framing)" }
        if head.isPersistent != expected.isPersistent { return "persistent: \(head.isPersistent)" }
        return difference(request.fields, request.lines, expected.head, request.bytes)
    }

    private static func difference(
        _ response: ParsedResponse, _ reference: ReferenceHead.Verdict<ReferenceResponse>
    ) -> String? {
        let expected: ReferenceResponse
        switch (response.outcome, reference) {
        case (.complete, .accepted(let accepted)): expected = accepted
        case (.failed, .refused), (.failed, .unfinished), (.incomplete, .unfinished): return nil
        default: return "outcome \(response.outcome), not \(reference)"
        }
        let head = response.head
        if head.length != expected.head.length { return "length \(head.length), not \(expected.head.length)" }
        if head.status != expected.status { return "status \(head.status), not \(expected.status)" }
        let reason = Array(expected.head.startLine.dropFirst(9))
        if octets(response.statusText) != reason { return "reason \(response.statusText)" }
        if head.facts.isChunked != expected.isChunked { return "chunked: \(head.facts.isChunked)" }
        let contentLength = head.facts.hasContentLength ? head.facts.contentLength : nil
        if contentLength != expected.contentLength { return "length \(String(describing: contentLength))" }
        if head.isPersistent != expected.isPersistent { return "persistent: \(head.isPersistent)" }
        return difference(response.fields, response.lines, expected.head, response.bytes)
    }

    /// Fields as the reference has them, and lines that tile the head from the start line to the empty line.
    private static func difference(
        _ fields: [ParsedField], _ lines: [Field], _ expected: ReferenceHead, _ bytes: [UInt8]
    ) -> String? {
        if fields.count != expected.fields.count { return "\(fields.count) fields, not \(expected.fields.count)" }
        var position = expected.startLine.count + 2
        for index in fields.indices {
            if octets(fields[index].name) != expected.fields[index].name { return "name \(fields[index].name)" }
            if octets(fields[index].value) != expected.fields[index].value { return "value \(fields[index].value)" }
            let line = lines[index]
            guard Int(line.nameStart) == position else { return "field \(index) starts at \(line.nameStart)" }
            guard line.nameStart + line.nameLength < line.valueStart,
                line.valueStart + line.valueLength <= line.lineEnd - 2
            else { return "field \(index) overlaps" }
            position = Int(line.lineEnd)
        }
        guard position + 2 == expected.length else { return "fields end at \(position)" }
        return Array(bytes[(expected.length - 4)..<expected.length]) == [13, 10, 13, 10]
            ? nil : "no empty line at the end"
    }

    /// Bytes that no head can hold are refused as soon as they are there, and so is a head beyond its limit.
    private static func unseenFault(_ bytes: [UInt8], _ outcome: ParseOutcome, _ limits: HeadLimits) -> String? {
        guard outcome == .incomplete else { return nil }
        if bytes.count >= limits.headBytesMax { return "incomplete at \(bytes.count) bytes" }
        for (index, byte) in bytes.enumerated() {
            let isReturn = byte == 13 && (index + 1 == bytes.count || bytes[index + 1] == 10)
            let isLineFeed = byte == 10 && index > 0 && bytes[index - 1] == 13
            if !isReturn, !isLineFeed, !HTTPSyntax.isFieldValueByte(byte) { return "incomplete despite byte \(index)" }
        }
        return nil
    }

    /// Each prefix is incomplete, or has failed as the whole has; what comes after the head changes nothing.
    private static func growthFault(
        _ bytes: [UInt8], _ outcome: ParseOutcome, _ length: Int?, _ limits: HeadLimits,
        parse: ([UInt8]) -> (ParseOutcome, Int)
    ) -> String? {
        let end = length ?? bytes.count
        let stride = max(1, end / 32)
        var position = 0
        while position < end {
            let prefix = Array(bytes[..<position])
            let early = parse(prefix).0
            if early != .incomplete, early != outcome || length != nil { return "prefix \(position): \(early)" }
            if let fault = unseenFault(prefix, early, limits) { return "prefix \(position): \(fault)" }
            position += end - position > 8 ? stride : 1
        }
        guard outcome != .incomplete else { return nil }
        for tail in ["\0", "GET / HTTP/1.1\r\n", "\r\n\r\n", ":"] {
            let longer = parse(bytes + octets(tail))
            if longer.0 != outcome || length.map({ $0 != longer.1 }) ?? false {
                return "with \(tail.debugDescription): \(longer)"
            }
        }
        return nil
    }
}
