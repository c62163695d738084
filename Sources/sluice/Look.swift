import ArgumentParser
import ControlPlane
import Foundation

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the site, its revision and whether its nodes are up.",
        discussion: """
            EXAMPLES:
              sluice status
              sluice status --json
            """)
    @OptionGroup var json: JSONOption
    @OptionGroup var socket: SocketOption

    func run() async throws {
        let (text, status) = try await socket.client.read(StatusDocument.self, "/v1/status")
        if json.isWanted { return Output.line(text) }
        Output.line(
            """
            site      \(status.site)
            revision  \(status.revision) (digest \(status.digest))
            nodes     \(status.nodes.up) of \(status.nodes.total) up
            uptime    \(readableUptime(status.uptimeSeconds))
            control   pid \(status.control.pid), version \(status.version)
            """)
        for name in status.names {
            Output.line(
                "name      \(name.name): \(name.addresses.joined(separator: ", "))"
                    + (name.failure.map { " (does not resolve now: \($0))" } ?? ""))
        }
        for certificate in status.certificates {
            let days = (certificate.expires - Int64(Date().timeIntervalSince1970)) / 86_400
            let date = Date(timeIntervalSince1970: Double(certificate.expires)).formatted(.iso8601)
            Output.line(
                "certificate \(certificate.certificate) of \(certificate.listener): "
                    + (days < 0 ? "expired on \(date)" : "expires on \(date), in \(days) days")
                    + (certificate.ocsp.map(readable) ?? ""))
        }
    }
}

/// `; OCSP response good until 2026-12-05T12:00:00Z (no answer within 10 s)`.
private func readable(_ ocsp: OCSPDocument) -> String {
    let failure = ocsp.failure.map { " (\($0))" } ?? ""
    switch (ocsp.status, ocsp.nextUpdate) {
    case ("good", let end?):
        return "; OCSP response good until \(Date(timeIntervalSince1970: Double(end)).formatted(.iso8601))\(failure)"
    case ("revoked", _): return "; revoked, says its OCSP responder\(failure)"
    default: return "; no OCSP response\(failure)"
    }
}

struct Nodes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the forwarder and the proxy nodes.",
        discussion: """
            EXAMPLES:
              sluice nodes
              sluice nodes --json
            """)
    @OptionGroup var json: JSONOption
    @OptionGroup var socket: SocketOption

    func run() async throws {
        let (text, document) = try await socket.client.read(NodesDocument.self, "/v1/nodes")
        if json.isWanted { return Output.line(text) }
        var table = Table(
            ("NODE", .left), ("ROLE", .left), ("STATE", .left), ("PID", .right), ("REVISION", .right),
            ("CONNECTIONS", .right), ("REQUESTS", .right), ("RESTARTS", .right), ("UPTIME", .right), ("ADDRESS", .left))
        for node in document.nodes {
            table.add(
                node.id, node.role, node.state, node.pid.map(String.init) ?? "", "\(node.revision)",
                node.connections.map(String.init) ?? "", node.requests.map(String.init) ?? "", "\(node.restarts)",
                readableUptime(node.uptimeSeconds), node.address ?? (node.local ? "local" : ""))
        }
        Output.line(table.text)
        Output.note(unanswered: document.unanswered)
    }
}

struct Pools: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the pools and the state of their endpoints.",
        discussion: """
            An endpoint is up when most of the nodes that probe it say so. Its name for drain and resume is
            pool/address. Latencies are those of the last one to two minutes, from the start of a request to the head
            of the answer. GET /v1/events on the control socket follows the changes.

            EXAMPLES:
              sluice pools
              sluice pools --json
            """)
    @OptionGroup var json: JSONOption
    @OptionGroup var socket: SocketOption

    func run() async throws {
        let (text, document) = try await socket.client.read(PoolsDocument.self, "/v1/pools")
        if json.isWanted { return Output.line(text) }
        var table = Table(
            ("POOL", .left), ("BALANCE", .left), ("ENDPOINT", .left), ("WEIGHT", .right), ("STATE", .left),
            ("SINCE", .left), ("VOTES", .left), ("REQUESTS", .right), ("ERRORS", .right), ("ACTIVE", .right),
            ("FAILURES", .right), ("P50", .right), ("P90", .right), ("P99", .right), ("EJECTIONS", .right),
            ("CONNECTIONS", .right), ("QUEUED", .right), ("REASON", .left))
        for pool in document.pools {
            // The queue is the pool's: it stands with the first endpoint.
            for (index, endpoint) in pool.endpoints.enumerated() {
                let votes = endpoint.votes.up + endpoint.votes.down
                let ejected = endpoint.ejectedBy.isEmpty ? "" : " (ejected by \(endpoint.ejectedBy.count))"
                table.add(
                    pool.name, pool.panic ? "\(pool.balance) (panic)" : pool.balance, endpoint.address,
                    "\(endpoint.weight)",
                    endpoint.state + (endpoint.state == "ejected" ? "" : ejected), endpoint.since,
                    votes == 0 ? "" : "\(endpoint.votes.up) of \(votes) up", "\(endpoint.requests)",
                    "\(endpoint.errors)", "\(endpoint.active)", "\(endpoint.failures)", latency(endpoint.latencyMs.p50),
                    latency(endpoint.latencyMs.p90), latency(endpoint.latencyMs.p99), "\(endpoint.ejections)",
                    "\(endpoint.connections)", index == 0 ? "\(pool.queued)" : "", endpoint.reason ?? "")
            }
        }
        Output.line(table.text)
        Output.note(unanswered: document.unanswered)
    }
}

/// `0.45ms`, `12ms`, `3.2s`.
private func latency(_ milliseconds: Double?) -> String {
    guard let milliseconds else { return "" }
    if milliseconds >= 1000 { return "\((milliseconds / 100).rounded() / 10)s" }
    return milliseconds >= 10 ? "\(Int(milliseconds.rounded()))ms" : "\(milliseconds)ms"
}

struct Listeners: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the listeners and their connections.",
        discussion: """
            EXAMPLES:
              sluice listeners
              sluice listeners --json
            """)
    @OptionGroup var json: JSONOption
    @OptionGroup var socket: SocketOption

    func run() async throws {
        let (text, document) = try await socket.client.read(ListenersDocument.self, "/v1/listeners")
        if json.isWanted { return Output.line(text) }
        var table = Table(
            ("LISTENER", .left), ("PROTOCOL", .left), ("ADDRESSES", .left), ("CONNECTIONS", .right),
            ("ACCEPTED", .right))
        for listener in document.listeners {
            table.add(
                listener.name, listener.protocol, listener.addresses.joined(separator: ", "),
                "\(listener.connections)", "\(listener.accepted)")
        }
        Output.line(table.text)
        Output.note(unanswered: document.unanswered)
    }
}

struct Routes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the routes, in the order in which they are matched.",
        discussion: """
            EXAMPLES:
              sluice routes
              sluice routes --json
            """)
    @OptionGroup var json: JSONOption
    @OptionGroup var socket: SocketOption

    func run() async throws {
        let (text, document) = try await socket.client.read(RoutesDocument.self, "/v1/routes")
        if json.isWanted { return Output.line(text) }
        var table = Table(
            ("ROUTE", .left), ("LISTENERS", .left), ("HOST", .left), ("PATH", .left), ("CONDITIONS", .left),
            ("TO", .left), ("REQUESTS", .right))
        for route in document.routes {
            let path =
                switch route.match.path {
                case .exact(let path): path
                case .prefix(let path): "\(path)*"
                case .regex(let pattern): "regex \(pattern)"
                case nil: "any"
                }
            var targets = route.to.map { route.to.count == 1 ? $0.pool : "\($0.pool) (\($0.weight))" }
            if let answer = route.answer { targets = ["\(answer.status) \(answer.location ?? "")"] }
            table.add(
                route.name, route.listeners.joined(separator: ", "),
                route.match.host.isEmpty ? "any" : route.match.host.joined(separator: ", "), path,
                route.match.conditionsText ?? "none", targets.joined(separator: ", "), "\(route.requests)")
        }
        Output.line(table.text)
        Output.note(unanswered: document.unanswered)
    }
}

struct ShowVersion: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")

    func run() { Output.line("sluice \(Version.text)") }
}

extension Output {
    /// Says on standard error whose figures are missing.
    static func note(unanswered: [String]) {
        guard !unanswered.isEmpty else { return }
        LineLog.write(
            "note: no figures from \(unanswered.joined(separator: ", ")): no answer in time\n", to: STDERR_FILENO)
    }
}
