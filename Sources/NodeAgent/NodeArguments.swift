package import EventLoop
package import NodeLink

/// The command line of `sluice-node`.
package struct NodeArguments: Equatable, Sendable {
    /// What the command line asks for.
    package enum Request: Equatable, Sendable {
        case run(NodeArguments)
        case help
        case version
    }

    /// Wrong usage: one line that says what and what instead.
    package struct UsageError: Error, Equatable {
        package let message: String
    }

    package var role: Hello.Role
    package var id: String
    package var state: String
    package var link: String
    /// 1…256.
    package var workers: Int
    /// Where a proxy node takes relayed connections; nil: it takes handed-over sockets.
    package var address: IPEndpoint?
    /// Who may relay connections to `address`.
    package var forwarders: [AddressRange]
    /// Where a proxy node stands; nil: it doesn't say.
    package var zone: String?

    /// The prefix of the sockets on which a proxy node takes handed-over sockets; nil for one that takes relayed ones.
    package var handOverPrefix: String? { address == nil ? "\(runDirectory)/\(id)" : nil }

    /// `<state>/run`.
    package var runDirectory: String { "\(state)/run" }

    package static let help = """
        usage: sluice-node forwarder|proxy --id NAME --state DIR --link PATH [options]

        One node of a Sluice site; `sluice run` starts them.

          --id NAME          the node's name in the site: letters, digits, `-`, `_`, `.`; at most 64
          --state DIR        where the node keeps its last snapshot
          --link PATH        the control plane's socket for nodes
          --workers N        event loops, each on its own thread, 1 to 256 (default: 1)
          --address IP:PORT  proxy: take connections relayed from other hosts here
          --forwarders CIDR  proxy: who may relay connections; may be given several times
          --zone NAME        proxy: prefer endpoints of this zone
          --version, --help

        """

    // MARK: parsing

    /// - Parameter arguments: Without the program's name.
    package static func parse(_ arguments: [String]) throws(UsageError) -> Request {
        if arguments.contains("--help") || arguments.contains("-h") { return .help }
        if arguments.contains("--version") { return .version }
        guard let word = arguments.first else { throw UsageError(message: "no role: forwarder or proxy") }
        guard let role = Hello.Role.allCases.first(where: { $0.name == word }) else {
            throw UsageError(message: "no role named \(word): forwarder or proxy")
        }
        let values = try values(of: arguments.dropFirst())
        let parsed = NodeArguments(
            role: role, id: try required("--id", values), state: try required("--state", values),
            link: try required("--link", values), workers: try workers(values), address: try address(values),
            forwarders: try forwarders(values), zone: values["--zone"]?.first)
        try parsed.check()
        return .run(parsed)
    }

    private static let flags: Set = ["--id", "--state", "--link", "--workers", "--address", "--forwarders", "--zone"]

    /// The flags' values, `--flag value` or `--flag=value`; only `--forwarders` may have several.
    private static func values(of arguments: ArraySlice<String>) throws(UsageError) -> [String: [String]] {
        var values: [String: [String]] = [:]
        var rest = arguments
        while let argument = rest.popFirst() {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let flag = parts[0]
            guard flags.contains(flag) else { throw UsageError(message: "unknown argument \(argument)") }
            guard let value = parts.count == 2 ? parts[1] : rest.popFirst(), !value.isEmpty else {
                throw UsageError(message: "\(flag) needs a value")
            }
            guard flag == "--forwarders" || values[flag] == nil else {
                throw UsageError(message: "\(flag) is given twice")
            }
            values[flag, default: []].append(value)
        }
        return values
    }

    private static func required(_ flag: String, _ values: [String: [String]]) throws(UsageError) -> String {
        guard let value = values[flag]?.first else { throw UsageError(message: "\(flag) is missing") }
        return value
    }

    private static func workers(_ values: [String: [String]]) throws(UsageError) -> Int {
        guard let text = values["--workers"]?.first else { return 1 }
        guard let count = Int(text), (1...256).contains(count) else {
            throw UsageError(message: "--workers \(text): a number from 1 to 256")
        }
        return count
    }

    private static func address(_ values: [String: [String]]) throws(UsageError) -> IPEndpoint? {
        guard let text = values["--address"]?.first else { return nil }
        guard let address = IPEndpoint(text) else {
            throw UsageError(message: "--address \(text): an IP address and a port, such as 10.0.0.2:7000")
        }
        return address
    }

    private static func forwarders(_ values: [String: [String]]) throws(UsageError) -> [AddressRange] {
        var ranges: [AddressRange] = []
        for text in values["--forwarders"] ?? [] {
            guard let range = AddressRange(text) else {
                throw UsageError(message: "--forwarders \(text): a block of addresses, such as 10.0.0.0/24")
            }
            ranges.append(range)
        }
        return ranges
    }

    private func check() throws(UsageError) {
        guard NodeArguments.isName(id) else {
            throw UsageError(message: "--id \(id): letters, digits, `-`, `_`, `.`; at most 64, not `.` first")
        }
        if role == .forwarder && (address != nil || !forwarders.isEmpty) {
            throw UsageError(message: "--address and --forwarders are for proxies")
        }
        if let zone, role == .forwarder || !NodeArguments.isName(zone) {
            throw UsageError(message: "--zone \(zone): of a proxy; letters, digits, `-`, `_`, `.`; at most 64")
        }
        guard (address == nil) == forwarders.isEmpty else {
            throw UsageError(message: "--address and --forwarders go together: who may relay connections to this node")
        }
        // `sun_path` holds no more; a longer path would be cut to another one.
        let longest = [link] + (role == .proxy ? handOverPrefix.map { ["\($0).\(workers - 1).sock"] } ?? [] : [])
        for path in longest where path.utf8.count > SocketAddress.unixPathBytesMax {
            throw UsageError(message: "\(path): a socket's path has at most \(SocketAddress.unixPathBytesMax) bytes")
        }
    }

    private static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count) && !text.hasPrefix(".")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
                default: false
                }
            }
    }
}
