import EventLoop
import Snapshot

/// `tls-passthrough` listeners: their routes know a server name and protocols, and pools.
extension SiteCompiler {
    /// - Parameter listener: One of those that it serves.
    func compile(
        passthrough reader: SectionReader, _ listener: Listener, into route: inout Route, _ isMatchKnown: inout Bool
    ) {
        let ofRequests: [any KeyProtocol] = [
            RouteKeys.request, RouteKeys.response, RouteKeys.redirect, RouteKeys.respond, RouteKeys.connect,
            RouteKeys.mirror, RouteKeys.timeout, RouteKeys.retry, RouteKeys.hedge, RouteKeys.shed, RouteKeys.errors,
        ]
        for key in ofRequests where reader.has(key) { refuse(key, reader, listener) }
        let errorCount = diagnostics.errorCount
        if let match = reader.open(RouteKeys.match) {
            let ofRequests: [any KeyProtocol] = [
                MatchKeys.path, MatchKeys.method, MatchKeys.header, MatchKeys.query,
            ]
            for key in ofRequests where match.has(key) { refuse(key, match, listener) }
            route.match.hosts = hosts(of: match)
            warnOfAddresses(route.match.hosts, match)
            if let protocols = match.read(MatchKeys.alpn) {
                route.match.protocols = unique(protocols, at: match.mark(of: MatchKeys.alpn)) { $0 }
            }
        }
        isMatchKnown = diagnostics.errorCount == errorCount
        guard reader.has(RouteKeys.to) || !(reader.has(RouteKeys.redirect) || reader.has(RouteKeys.respond)) else {
            hasDanglingName = true
            return
        }
        route.targets = targets(of: reader, hint: "as in `to: app`")
        for target in route.targets {
            relays.append(
                Relay(
                    pool: target.pool, mark: reader.mark(of: RouteKeys.to), user: "the route \(route.name.quoted)",
                    isPassthrough: true))
        }
    }

    private func refuse(_ key: some KeyProtocol, _ reader: SectionReader, _ listener: Listener) {
        diagnostics.error(
            reader.mark(of: key),
            "\(key.name.quoted) is of requests, which the tls-passthrough listener \(listener.name.quoted) doesn't see",
            hint: "nothing is decrypted there: a route has `match` with `host` and `alpn`, and `to`")
    }

    private func warnOfAddresses(_ hosts: [HostPattern], _ reader: SectionReader) {
        for case .exact(let name) in hosts {
            let isAddress = name.hasPrefix("[") || IPEndpoint(host: name, port: 0) != nil
            guard isAddress else { continue }
            diagnostics.warning(
                reader.mark(of: MatchKeys.host), "no client asks for \(name.quoted): a server name is no address",
                hint: "leave out `host` for clients that name no host (RFC 6066 §3)")
        }
    }

    /// `to` of a listener that a route leaves nothing to.
    func warnOfUnreachableDefaults(_ snapshot: Snapshot) {
        for (index, listener) in snapshot.listeners.enumerated() where listener.application == .tlsPassthrough {
            let cover = snapshot.routes.first { route in
                route.listeners.contains(index) && route.match.hosts.isEmpty && route.match.protocols.isEmpty
            }
            guard let cover, listener.pool != nil else { continue }
            diagnostics.warning(
                listeners[index].reader.mark(of: ListenerKeys.to),
                "`to` of the listener \(listener.name.quoted) is never asked: the route \(cover.name.quoted) takes every client",
                hint: "keep one of the two")
        }
    }

    /// What is said of pools whose endpoints get bytes as they come.
    func warnOfTLSOfRelays(_ snapshot: Snapshot) {
        for relay in relays {
            let pool = snapshot.pools[relay.pool]
            // Probes speak TLS by the pool's settings, whoever makes them.
            let probesInside =
                switch pool.health?.probe {
                case .http, .grpc: true
                case .tcp, nil: false
                }
            if pool.tls != nil && !probesInside {
                diagnostics.warning(
                    relay.mark,
                    "\(PoolKeys.tls.name.quoted) of the pool \(pool.name.quoted) does nothing for \(relay.user)",
                    hint: "its bytes are passed on as they come")
            }
            if relay.isPassthrough && probesInside && pool.tls == nil {
                diagnostics.warning(
                    relay.mark,
                    "probes of the pool \(pool.name.quoted) don't speak TLS, as \(relay.user) does",
                    hint: "give the pool `tls`, or write `health: {tcp: true}`")
            }
        }
    }
}
