import Snapshot

enum LimitsKeys {
    private static let standard = Limits()
    static let head = Key(
        "head", .size(1024...60 * 1024), default: standard.headBytesMax,
        "Bytes of a message's first line and fields. A longer request is answered with 431, or 414 when its first line alone is too long; a longer response becomes 502."
    )
    static let headers = Key(
        "headers", .integer(1...250), default: standard.fieldCountMax,
        "Field lines in one head. A request with more is answered with 431; a response with more becomes 502.")
    static let connections = Key(
        "connections", .integer(1...1_000_000), default: standard.connectionCountMax,
        "Client connections that one node has open at a time.")
    static let connectionsPerSource = Key(
        "connections_per_source", .integer(1...1_000_000), stands: "no limit",
        "Client connections that one source (an IPv4 address, or 64 bits of an IPv6 address) has open at one node; one more is answered with 429 and closed. Peers in `trust.proxies` are not counted."
    )
    static let requestsPerConnection = Key(
        "requests_per_connection", .integer(1...1_000_000_000), stands: "no limit",
        "Requests on one connection; the answer to the last one closes it.")
    static let buffer = Key(
        "buffer", .size(0...1024 * 1024), default: standard.bufferBytesMax,
        "Bytes of an answer that are held for a client that reads more slowly than its endpoint sends: when the rest of the answer fits, the endpoint's connection is free for others at once. Bodies of 32KiB and more without chunks go through a pipe of 1MiB, whatever stands here."
    )
    static let timeout = Key("timeout", .section(LimitsTimeoutKeys.section), "How long clients may take.")
    static let overload = Key(
        "overload", .section(OverloadKeys.section), "From when on a node turns requests away; not of a listener.")
    static let section = Section(
        "limits", "",
        keys: [
            head.declaration, headers.declaration, connections.declaration, connectionsPerSource.declaration,
            requestsPerConnection.declaration, buffer.declaration, timeout.declaration,
            overload.declaration,
        ])
}

enum LimitsTimeoutKeys {
    private static let standard = Limits()
    static let head = Key(
        "head", .duration(.milliseconds(100) ... .seconds(600)), default: standard.headTimeout,
        "From the first byte of a request to the end of its head; then 408. Of a `tls-passthrough` listener: from the connection to the end of the client's first message; then it is closed."
    )
    static let bodyIdle = Key(
        "body_idle", .duration(.milliseconds(100) ... .seconds(3600)), default: standard.bodyIdleTimeout,
        "Without a byte moving in a body, either way.")
    static let write = Key(
        "write", .duration(.milliseconds(100) ... .seconds(3600)), stands: "as `body_idle`",
        "While an answer waits for a client that takes no byte of it; then the connection is reset.")
    static let idle = Key(
        "idle", .duration(.milliseconds(100) ... .seconds(168 * 3600)), default: standard.idleTimeout,
        "A keep-alive connection between requests, or a relayed connection on which nothing moves.")
    static let tunnel = Key(
        "tunnel", .duration(.milliseconds(100) ... .seconds(168 * 3600)), default: standard.tunnelTimeout,
        "A connection that has switched protocols (WebSocket), on which nothing moves.")
    static let section = Section(
        "limits.timeout", "",
        keys: [
            head.declaration, bodyIdle.declaration, write.declaration, idle.declaration, tunnel.declaration,
        ])
}

/// The same keys under a listener.
enum ListenerLimitsKeys {
    private static let apart: [String: String] = [
        LimitsKeys.connections.name:
            "Connections of this listener alone that one node has open at a time; they count among the site's as well.",
        LimitsKeys.connectionsPerSource.name:
            "A source's connections to this listener alone; they do not count among the site's.",
    ]

    private static func declarations(_ section: Section) -> [KeyDeclaration] {
        // What a node turns away doesn't depend on where it came in.
        section.keys.filter { $0.name != LimitsKeys.overload.name }.map { key in
            KeyDeclaration(
                name: key.name, takes: key.takes,
                fallback: key.nested == nil ? "that of the site" : "those of the site",
                summary: apart[key.name] ?? "As `\(section.path).\(key.name)`.",
                nested: key.nested.map {
                    Section("listeners.NAME.\($0.path)", "", keys: declarations($0), later: $0.later)
                })
        }
    }

    static let section = Section(
        "listeners.NAME.limits",
        "A `tcp` listener has `connections` and `timeout.idle`, a `tls-passthrough` listener `timeout.head` as well; the others are of requests.",
        keys: declarations(LimitsKeys.section))
}
