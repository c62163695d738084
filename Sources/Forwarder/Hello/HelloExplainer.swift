package import Snapshot

/// Where a `tls-passthrough` listener of a site would send a client, found with the table that workers use.
///
/// For whoever asks, not for clients: it compiles the table anew.
package struct HelloExplainer {
    /// What a route asks that the client hasn't.
    package enum Reason: String, Sendable, CaseIterable {
        case listener, host, alpn
    }

    private let snapshot: Snapshot
    private let listener: Int
    private let table: HelloTable

    /// - Parameter listener: Index of a `tls-passthrough` listener.
    package init(_ snapshot: Snapshot, listener: Int) {
        self.snapshot = snapshot
        self.listener = listener
        table = HelloTable(snapshot, listener: listener)
    }

    /// - Parameters:
    ///   - name: The server name; empty for none.
    ///   - protocols: What is offered by ALPN; names beyond 255 bytes aren't, as no client can.
    package func answer(name: String, protocols: [String]) -> HelloTable.Answer {
        HelloExplainer.answer(table, name, protocols)
    }

    /// What takes the client of an answer; its name is empty for the listener's own `to`.
    package func route(_ index: Int) -> HelloTable.Route { table.routes[index] }

    /// The alert that the client gets; nil when it is placed.
    package static func alert(of answer: HelloTable.Answer) -> String? {
        switch answer {
        case .route: nil
        case .noName: "missing_extension"
        case .unknownName: "unrecognized_name"
        case .unknownProtocol: "no_application_protocol"
        }
    }

    /// Why a route doesn't take the client: each part of its `match` is asked alone. Empty when it does.
    package func reasons(against index: Int, name: String, protocols: [String]) -> [Reason] {
        let route = snapshot.routes[index]
        guard route.listeners.contains(listener) else { return [.listener] }
        var reasons: [Reason] = []
        let parts: [(Reason, RouteMatch)] = [
            (.host, RouteMatch(hosts: route.match.hosts)), (.alpn, RouteMatch(protocols: route.match.protocols)),
        ]
        for (reason, match) in parts {
            var part = route
            part.match = match
            var alone = snapshot
            alone.routes = [part]
            alone.listeners[listener].pool = nil
            let answer = HelloExplainer.answer(HelloTable(alone, listener: listener), name, protocols)
            if answer != .route(0) { reasons.append(reason) }
        }
        return reasons
    }

    private static func answer(_ table: HelloTable, _ name: String, _ protocols: [String]) -> HelloTable.Answer {
        var bytes = Array(name.lowercased().utf8)
        if bytes.last == 0x2e { bytes.removeLast() }
        let offered = protocols.filter { (1...255).contains($0.utf8.count) }
            .flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        return table.answer(name: bytes.span, protocols: offered.span)
    }
}
