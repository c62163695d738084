import EventLoop

/// An address as written: complete, or a name that the resolver must know.
enum WrittenAddress: Hashable, Sendable {
    case address(SocketAddress)
    case name(String, port: UInt16)
}

extension Form where Value == WrittenAddress {
    /// `host:port`, `[v6]:port`, `name:port`, `:port`.
    static var listenAddress: Form {
        let phrase = "an address such as \("0.0.0.0:8080".quoted), \("[::]:8080".quoted) or \(":8080".quoted)"
        return Form(phrase: phrase, render: { "\($0)" }) { node, field in
            guard let text = node.text else {
                field.refuse(node, takes: phrase)
                return nil
            }
            if text.hasPrefix("unix:") {
                field.refuse(node, takes: phrase, hint: "clients of a listener come by TCP")
                return nil
            }
            if Form<Int>.decimal(text) != nil {
                field.refuse(node, takes: phrase, hint: "did you mean \(":\(text)".quoted)?")
                return nil
            }
            let isPortOnly = text.hasPrefix(":") && !text.hasPrefix("::")
            return read(isPortOnly ? "0.0.0.0" + text : text, node, field, phrase)
        }
    }

    /// `host:port`, `[v6]:port`, `name:port`, `unix:/path`.
    static var endpointAddress: Form {
        let phrase =
            "an address such as \("10.0.0.1:9000".quoted), \("[2001:db8::1]:9000".quoted), \("name:9000".quoted) or \("unix:/path".quoted)"
        return Form(phrase: phrase, render: { "\($0)" }) { node, field in
            guard let text = node.text else {
                field.refuse(node, takes: phrase)
                return nil
            }
            if text.hasPrefix("unix:") { return readUnix(String(text.dropFirst(5)), node, field) }
            if Form<Int>.decimal(text) != nil || text.hasPrefix(":") && !text.hasPrefix("::") {
                let port = text.hasPrefix(":") ? text : ":" + text
                field.refuse(node, takes: phrase, hint: "on this host that is \("127.0.0.1\(port)".quoted)")
                return nil
            }
            guard let written = read(text, node, field, phrase) else { return nil }
            if case .address(.ip(let endpoint)) = written, endpoint.isAny {
                field.diagnostics.error(
                    node.mark, "\(text.quoted) is no address that can be dialled",
                    hint:
                        "for this host write \((endpoint.family == .v4 ? "127.0.0.1:\(endpoint.port)" : "[::1]:\(endpoint.port)").quoted)"
                )
                return nil
            }
            return written
        }
    }

    private static func readUnix(_ path: String, _ node: YAMLNode, _ field: Field) -> WrittenAddress? {
        if let address = SocketAddress("unix:" + path), !path.contains("\0") { return .address(address) }
        if path.hasPrefix("/") && !path.contains("\0") {
            field.diagnostics.error(
                node.mark, "the socket path has \(path.utf8.count) bytes, more than \(SocketAddress.unixPathBytesMax)",
                hint: "that is all the kernel takes (unix(7)): choose a shorter directory")
        } else {
            field.diagnostics.error(
                node.mark, "a socket path begins with a slash, not \(path.quoted)",
                hint: "as in \("unix:/run/app.sock".quoted)")
        }
        return nil
    }

    private static func read(_ text: String, _ node: YAMLNode, _ field: Field, _ phrase: String) -> WrittenAddress? {
        if let range = text.firstRange(of: "://") {
            let rest = text[range.upperBound...].prefix { $0 != "/" }
            field.refuse(node, takes: phrase, hint: "an address is no URL: did you mean \(String(rest).quoted)?")
            return nil
        }
        guard let colon = text.lastIndex(of: ":"), !isBareIPv6(text) else {
            let host = isBareIPv6(text) ? "[\(text)]" : text
            field.refuse(node, takes: phrase, hint: "add a port, as in \("\(host):80".quoted)")
            return nil
        }
        let (host, portText) = (String(text[..<colon]), String(text[text.index(after: colon)...]))
        guard let number = Form<Int>.decimal(portText), let port = UInt16(exactly: number), port > 0 else {
            field.diagnostics.error(node.mark, "the port in \(text.quoted) is not a number from 1 to 65535")
            return nil
        }
        if let endpoint = IPEndpoint(text) { return .address(.ip(endpoint)) }
        if isName(host) { return .name(host.lowercased(), port: port) }
        let isNumeric = host.allSatisfy { $0.isNumber || $0 == "." } && !host.isEmpty
        field.refuse(node, takes: phrase, hint: isNumeric ? "\(host.quoted) is no IPv4 address" : nil)
        return nil
    }

    private static func isBareIPv6(_ text: String) -> Bool {
        text.utf8.count { $0 == 0x3a } > 1 && !text.hasPrefix("[")
    }

    /// A host name (RFC 1123 §2.1; `_` as DNS allows); not four numbers, which are an IPv4 address gone wrong.
    static func isName(_ host: String) -> Bool {
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        guard HostSyntax.isName(host), let last = labels.last else { return false }
        return !last.allSatisfy(\.isNumber)
    }
}

extension Form where Value == AddressRange {
    /// `10.0.0.0/8`, `2001:db8::/32`, or one address.
    static var addressRange: Form {
        .scalar(
            "an address block such as \("10.0.0.0/8".quoted)",
            hint: { text in
                let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 2, let address = IPEndpoint(host: parts[0], port: 0) else { return nil }
                let bits = address.family == .v4 ? 32 : 128
                guard let length = Form<Int>.decimal(parts[1]), (0...bits).contains(length) else {
                    return "the prefix length is from 0 to \(bits)"
                }
                return "host bits are set: did you mean \(network(of: address, length).description.quoted)?"
            },
            parse: { AddressRange($0) })
    }

    private static func network(of address: IPEndpoint, _ length: Int) -> AddressRange {
        var base = address
        let bits = address.family == .v4 ? 32 : 128
        for bit in 0..<bits - length {
            if bit < 64 { base.low &= ~(1 << UInt64(bit)) } else { base.high &= ~(1 << UInt64(bit - 64)) }
        }
        return AddressRange(base: base, prefixLength: length)
    }
}
