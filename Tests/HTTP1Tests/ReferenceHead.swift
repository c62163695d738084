import HTTPMessage

/// A second opinion on heads, written from RFC 9112 with whole-array operations: it splits at CRLF and at spaces
/// where the parsers scan. Slow and short. Parsers and references must agree on every input.
struct ReferenceHead {
    var startLine: [UInt8]
    var fields: [(name: [UInt8], value: [UInt8])] = []
    /// Bytes of the head, the empty line included.
    var length: Int

    enum Verdict<Head> {
        /// No empty line within the limits: nothing to judge.
        case unfinished
        case refused
        case accepted(Head)
    }

    /// The lines of the head at the front of `bytes`, not yet judged but for the field syntax.
    static func split(_ bytes: [UInt8], headBytesMax: Int, fieldCountMax: Int) -> Verdict<ReferenceHead> {
        let end = bytes.indices.dropLast(3).first { bytes[$0] == 13 && bytes[$0..<$0 + 4] == [13, 10, 13, 10] }
        guard let end, end + 4 <= headBytesMax else { return .unfinished }
        var lines: [[UInt8]] = [[]]
        for byte in bytes[..<end] {
            if byte == 10, lines[lines.count - 1].last == 13 {
                lines[lines.count - 1].removeLast()
                lines.append([])
            } else {
                lines[lines.count - 1].append(byte)
            }
        }
        var head = ReferenceHead(startLine: lines.removeFirst(), length: end + 4)
        guard lines.count <= fieldCountMax else { return .refused }
        for line in lines {
            guard let colon = line.firstIndex(of: 58), colon > 0, line[..<colon].allSatisfy(HTTPSyntax.isTokenByte),
                line[(colon + 1)...].allSatisfy(HTTPSyntax.isFieldValueByte)
            else { return .refused }
            head.fields.append((Array(line[..<colon]), withoutBlanks(line[(colon + 1)...])))
        }
        return .accepted(head)
    }

    func values(_ name: String) -> [[UInt8]] {
        fields.filter { lowercased($0.name) == Array(name.utf8) }.map(\.value)
    }

    var connectionOptions: [[UInt8]] {
        values("connection").flatMap { $0.split(separator: 44) }
            .map { lowercased(withoutBlanks($0)) }.filter { !$0.isEmpty }
    }

    /// RFC 9112 §6: nil for what must be refused.
    func bodyLength(version: [UInt8]) -> (isChunked: Bool, contentLength: UInt64?)? {
        let codings = values("transfer-encoding")
        let lengths = values("content-length")
        if !codings.isEmpty {
            guard codings.map(lowercased) == [Array("chunked".utf8)], lengths.isEmpty else { return nil }
            return version == Array("HTTP/1.1".utf8) ? (true, nil) : nil
        }
        guard let length = lengths.first else { return (false, nil) }
        guard lengths.count == 1, (1...18).contains(length.count), length.allSatisfy({ (48...57).contains($0) })
        else { return nil }
        return (false, UInt64(String(octets: length)))
    }
}

/// Without spaces and tabs at both ends.
private func withoutBlanks(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    let isBlank = { (byte: UInt8) in byte == 32 || byte == 9 }
    return bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
}

func lowercased(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    bytes.map { (65...90).contains($0) ? $0 + 32 : $0 }
}

struct ReferenceRequest {
    var head: ReferenceHead
    var method: [UInt8]
    var target: [UInt8]
    var origin: [UInt8]
    var host: [UInt8]
    var framing: BodyFraming
    var isPersistent: Bool

    static func parse(
        _ bytes: [UInt8], headBytesMax: Int, fieldCountMax: Int
    ) -> ReferenceHead.Verdict<ReferenceRequest> {
        switch ReferenceHead.split(bytes, headBytesMax: headBytesMax, fieldCountMax: fieldCountMax) {
        case .unfinished: .unfinished
        case .refused: .refused
        case .accepted(let head): ReferenceRequest(head).map(ReferenceHead.Verdict.accepted) ?? .refused
        }
    }

    private init?(_ head: ReferenceHead) {
        self.head = head
        let words = head.startLine.split(separator: 32, omittingEmptySubsequences: false).map(Array.init)
        guard words.count == 3 else { return nil }
        (method, target) = (words[0], words[1])
        let isOld = words[2] == Array("HTTP/1.0".utf8)
        guard isOld || words[2] == Array("HTTP/1.1".utf8) else { return nil }
        guard !method.isEmpty, method.allSatisfy(HTTPSyntax.isTokenByte) else { return nil }
        guard !target.isEmpty, target.allSatisfy({ $0 > 32 && $0 != 127 }), isURIText(target) else { return nil }

        let hosts = head.values("host")
        guard hosts.count <= 1, isOld || hosts.count == 1 else { return nil }
        host = hosts.first ?? []
        guard host.isEmpty || isAuthorityText(host) else { return nil }
        let lowered = lowercased(target)
        let scheme = ["http://", "https://"].first { lowered.starts(with: $0.utf8) }
        if method == Array("CONNECT".utf8) {
            guard isAuthorityText(target), (48...57).contains(target[target.count - 1]),
                target[(target.lastIndex(of: 93) ?? 0)...].contains(58)
            else { return nil }
            host = target
            origin = []
        } else if target[0] == 47 {
            origin = target
        } else if target == [42], method == Array("OPTIONS".utf8) {
            origin = []
        } else if let scheme {
            let rest = target.dropFirst(scheme.utf8.count)
            host = Array(rest.prefix { $0 != 47 && $0 != 63 })
            origin = Array(rest.dropFirst(host.count))
            guard isAuthorityText(host) else { return nil }
        } else {
            return nil
        }
        guard isPathText(origin.prefix { $0 != 63 }) else { return nil }

        guard let body = head.bodyLength(version: words[2]) else { return nil }
        framing = body.isChunked ? .chunked : body.contentLength.map { $0 == 0 ? .none : .length($0) } ?? .none
        let options = head.connectionOptions
        isPersistent = !options.contains(Array("close".utf8)) && (!isOld || options.contains(Array("keep-alive".utf8)))
    }
}

struct ReferenceResponse {
    var head: ReferenceHead
    var status: Int
    var isChunked: Bool
    var contentLength: UInt64?
    var isPersistent: Bool

    static func parse(
        _ bytes: [UInt8], headBytesMax: Int, fieldCountMax: Int
    ) -> ReferenceHead.Verdict<ReferenceResponse> {
        switch ReferenceHead.split(bytes, headBytesMax: headBytesMax, fieldCountMax: fieldCountMax) {
        case .unfinished: .unfinished
        case .refused: .refused
        case .accepted(let head): ReferenceResponse(head).map(ReferenceHead.Verdict.accepted) ?? .refused
        }
    }

    private init?(_ head: ReferenceHead) {
        self.head = head
        let line = String(octets: head.startLine)
        let isOld = line.hasPrefix("HTTP/1.0 ")
        guard isOld || line.hasPrefix("HTTP/1.1 ") else { return nil }
        let rest = line.dropFirst(9)
        guard rest.count == 3 || rest.dropFirst(3).first == " " else { return nil }
        guard rest.prefix(3).allSatisfy({ "0"..."9" ~= $0 }), let status = Int(rest.prefix(3)) else { return nil }
        guard (100...599).contains(status), head.startLine.allSatisfy(HTTPSyntax.isFieldValueByte) else { return nil }
        self.status = status
        guard let body = head.bodyLength(version: Array("HTTP/1.\(isOld ? 0 : 1)".utf8)) else { return nil }
        (isChunked, contentLength) = body
        if status < 200, isChunked || contentLength ?? 0 > 0 { return nil }
        let options = head.connectionOptions
        let announcesBody = isChunked || contentLength ?? 0 > 0
        isPersistent =
            !options.contains(Array("close".utf8)) && (!isOld || options.contains(Array("keep-alive".utf8)))
            && !(status == 204 && announcesBody)
    }
}

/// Neither a fragment nor a byte beyond ASCII.
private func isURIText(_ target: [UInt8]) -> Bool { target.allSatisfy { $0 != 35 && $0 < 128 } }

/// No backslash, and escapes that are whole and not of NUL.
private func isPathText(_ path: ArraySlice<UInt8>) -> Bool {
    let parts = path.split(separator: 37, omittingEmptySubsequences: false).dropFirst()
    return !path.contains(92)
        && parts.allSatisfy { part in
            part.count >= 2 && UInt8(String(octets: part.prefix(2)), radix: 16) ?? 0 > 0 && part.first != 43
        }
}

/// `uri-host [":" port]` with a host that isn't empty.
private func isAuthorityText(_ bytes: [UInt8]) -> Bool {
    let isHex = { (byte: UInt8) in (48...57).contains(byte) || (97...102).contains(byte | 32) }
    var host = bytes[...]
    var port: ArraySlice<UInt8> = []
    if let bracket = bytes.lastIndex(of: 93) {
        host = bytes[...bracket]
        port = bytes[(bracket + 1)...]
        guard bytes[0] == 91, host.count > 2 else { return false }
        guard host.dropFirst().dropLast().allSatisfy({ isHex($0) || $0 == 58 || $0 == 46 }) else { return false }
    } else {
        host = bytes.prefix { $0 != 58 }
        port = bytes.dropFirst(host.count)
        guard !host.isEmpty else { return false }
        let plain = Array("-._~!$&'()*+,;=".utf8)
        for (index, byte) in host.enumerated() {
            let isLetterOrDigit = (48...57).contains(byte) || (97...122).contains(byte | 32) && byte >= 65
            let isEscape = byte == 37 && index + 2 < host.count && isHex(host[index + 1]) && isHex(host[index + 2])
            guard isLetterOrDigit || isEscape || plain.contains(byte) else { return false }
        }
    }
    guard let colon = port.first else { return true }
    return colon == 58 && port.count <= 6 && Int(String(octets: port.dropFirst())) ?? 0 <= 65_535
        && port.dropFirst().allSatisfy { (48...57).contains($0) }
}
