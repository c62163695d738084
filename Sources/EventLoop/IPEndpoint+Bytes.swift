import Glibc

extension IPEndpoint {
    /// An address as forwarding fields carry it: `192.0.2.7`, `192.0.2.7:80`, `2001:db8::1`, `[2001:db8::1]`,
    /// `[2001:db8::1]:80`; the port is 0 when none is stated. Nothing is allocated.
    ///
    /// - Returns: nil for anything else, such as a name or `unknown`.
    package init?(text: Span<UInt8>) {
        var host = 0..<text.count
        var port = text.count..<text.count
        if !text.isEmpty, text[0] == 0x5b {
            var end = 1
            while end < text.count, text[end] != 0x5d { end += 1 }
            guard end < text.count else { return nil }
            host = 1..<end
            if end + 1 < text.count {
                guard text[end + 1] == 0x3a else { return nil }
                port = end + 2..<text.count
                guard !port.isEmpty else { return nil }
            }
        } else {
            var colons = 0
            var lastColon = 0
            for index in 0..<text.count where text[index] == 0x3a {
                colons += 1
                lastColon = index
            }
            if colons == 1 {
                host = 0..<lastColon
                port = lastColon + 1..<text.count
                guard !port.isEmpty else { return nil }
            }
        }
        var number = 0
        guard port.count <= 5 else { return nil }
        for index in port {
            guard text[index] &- 0x30 <= 9 else { return nil }
            number = number * 10 + Int(text[index] - 0x30)
        }
        guard number <= 0xffff, !host.isEmpty, host.count < IPEndpoint.hostTextBytesMax else { return nil }
        let (first, last) = (host.lowerBound, host.upperBound)
        // The kernel's parser would take it for the end.
        for index in host where text[index] == 0 { return nil }
        let isBracketed = first == 1
        let parsed = unsafe withUnsafeTemporaryAllocation(
            of: CChar.self, capacity: IPEndpoint.hostTextBytesMax
        ) { copy -> IPEndpoint? in
            for index in first..<last { unsafe copy[index - first] = CChar(bitPattern: text[index]) }
            unsafe copy[last - first] = 0
            var v4 = in_addr()
            if !isBracketed, unsafe inet_pton(AF_INET, copy.baseAddress!, &v4) == 1 {
                return IPEndpoint(v4: UInt32(bigEndian: v4.s_addr), port: UInt16(number))
            }
            var v6 = in6_addr()
            guard unsafe inet_pton(AF_INET6, copy.baseAddress!, &v6) == 1 else { return nil }
            return IPEndpoint(v6, port: UInt16(number))
        }
        guard let parsed else { return nil }
        self = parsed
    }
}
