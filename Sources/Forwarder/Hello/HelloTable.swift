import Balancing
package import Snapshot

/// The routes of one `tls-passthrough` listener, compiled: server name and ALPN of a hello to the first route of the site
/// file that matches.
///
/// One hash lookup for the name and for each of its suffixes, whatever the number of routes. Where one name has several
/// routes, those that ask for protocols stand in a row up to the first that doesn't.
package struct HelloTable: Sendable {
    package enum Answer: Equatable, Sendable {
        /// Index into `routes`.
        case route(Int)
        /// The client names no host, and every route asks for one.
        case noName
        case unknownName
        /// Routes have that name, and none of the protocols that are offered.
        case unknownProtocol
    }

    /// What takes a connection.
    package struct Route: Equatable, Sendable {
        /// Empty for the listener's own `to`.
        package var name: String
        /// Names of pools, and their shares.
        package var pools: [String]
        package var weights: [UInt32]
        /// ALPN names, each behind a byte with its length; empty for every hello.
        fileprivate var protocols: [UInt8]
    }

    /// A part of `order`.
    private struct Run: BitwiseCopyable {
        var start: Int32
        var end: Int32
    }

    private struct Entry: BitwiseCopyable {
        var hash: UInt64
        /// In `names`.
        var start: Int32
        var count: Int32
        var isSuffix: Bool
        var run: Run
    }

    /// In the order of the site file; the listener's `to` is the last.
    package private(set) var routes: [Route] = []
    private var anyHost = Run(start: 0, end: 0)
    private var entries: [Entry] = []
    private var names: [UInt8] = []
    /// Indices into `routes`, by name and in the order of the file.
    private var order: [Int32] = []
    /// Open addressing: indices into `entries`; -1 for none. A power of two, at most a quarter full.
    private var slots: [Int32] = []
    private var hasSuffixes = false

    /// - Parameter listener: Index of a `tls-passthrough` listener.
    package init(_ snapshot: Snapshot, listener: Int) {
        var anyHost: [Int32] = []
        var byHost: [HostPattern: [Int32]] = [:]
        // In file order: every node makes the same table.
        var hosts: [HostPattern] = []
        func file(_ route: Route, _ patterns: [HostPattern]) {
            let index = Int32(routes.count)
            routes.append(route)
            if patterns.isEmpty { anyHost.append(index) }
            for host in patterns where byHost[host]?.last != index {
                if byHost[host] == nil { hosts.append(host) }
                byHost[host, default: []].append(index)
            }
        }
        for route in snapshot.routes where route.listeners.contains(listener) && !route.targets.isEmpty {
            file(
                Route(
                    name: route.name, pools: route.targets.map { snapshot.pools[$0.pool].name },
                    weights: route.targets.map { UInt32($0.weight) },
                    protocols: route.match.protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }),
                route.match.hosts)
        }
        if let pool = snapshot.listeners[listener].pool {
            file(Route(name: "", pools: [snapshot.pools[pool].name], weights: [1], protocols: []), [])
        }
        self.anyHost = run(anyHost)
        var slotCount = 2
        while slotCount < hosts.count * 4 { slotCount *= 2 }
        slots = [Int32](repeating: -1, count: slotCount)
        for host in hosts { add(host, byHost[host] ?? []) }
    }

    /// What comes after a route that asks for no protocol can't be reached.
    private mutating func run(_ routes: [Int32]) -> Run {
        let start = Int32(order.count)
        for route in routes {
            order.append(route)
            if self.routes[Int(route)].protocols.isEmpty { break }
        }
        return Run(start: start, end: Int32(order.count))
    }

    private mutating func add(_ host: HostPattern, _ routes: [Int32]) {
        let (name, isSuffix) =
            switch host {
            case .exact(let name): (name, false)
            case .suffix(let name): (name, true)
            }
        hasSuffixes = hasSuffixes || isSuffix
        let hash = Hash64.xxh64(name.utf8)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = Int32(entries.count)
        let start = Int32(names.count)
        names += Array(name.utf8)
        entries.append(
            Entry(
                hash: hash, start: start, count: Int32(names.count) - start, isSuffix: isSuffix, run: run(routes)))
    }

    /// - Parameters:
    ///   - name: In lower case, without a dot at its end; empty for none.
    ///   - protocols: As `ClientHello.protocols`.
    package func answer(name: Span<UInt8>, protocols: Span<UInt8>) -> Answer {
        var best = Int32.max
        var isKnown = anyHost.start < anyHost.end
        first(anyHost, protocols, &best)
        // No name has more (RFC 1035 §3.1).
        if !entries.isEmpty && !name.isEmpty && name.count <= 255 {
            if let run = run(of: name, isSuffix: false) {
                isKnown = true
                first(run, protocols, &best)
            }
            if hasSuffixes {
                for index in 2..<max(name.count, 2) where name[index - 1] == 0x2e {
                    guard let run = run(of: name.extracting(index..<name.count), isSuffix: true) else { continue }
                    isKnown = true
                    first(run, protocols, &best)
                }
            }
        }
        if best != Int32.max { return .route(Int(best)) }
        if isKnown { return .unknownProtocol }
        return name.isEmpty ? .noName : .unknownName
    }

    private func run(of name: Span<UInt8>, isSuffix: Bool) -> Run? {
        let hash = unsafe Hash64.xxh64(name.bytes)
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] >= 0 {
            let entry = entries[Int(slots[slot])]
            if entry.hash == hash && entry.isSuffix == isSuffix && equals(entry, name) { return entry.run }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private func equals(_ entry: Entry, _ name: Span<UInt8>) -> Bool {
        HelloTable.equals(names[Int(entry.start)..<Int(entry.start + entry.count)], name)
    }

    /// The first route of the run that takes the protocols, if it comes before `best`.
    private func first(_ run: Run, _ protocols: Span<UInt8>, _ best: inout Int32) {
        for place in run.start..<run.end {
            let route = order[Int(place)]
            guard route < best else { return }
            if HelloTable.holds(routes[Int(route)].protocols, oneOf: protocols) {
                best = route
                return
            }
        }
    }

    /// Whether one of the protocols that are offered is wanted.
    private static func holds(_ wanted: [UInt8], oneOf offered: Span<UInt8>) -> Bool {
        if wanted.isEmpty { return true }
        var position = 0
        while position < offered.count {
            let end = position + 1 + Int(offered[position])
            var candidate = 0
            while candidate < wanted.count {
                let candidateEnd = candidate + 1 + Int(wanted[candidate])
                if equals(wanted[candidate..<candidateEnd], offered.extracting(position..<end)) { return true }
                candidate = candidateEnd
            }
            position = end
        }
        return false
    }

    private static func equals(_ left: ArraySlice<UInt8>, _ right: Span<UInt8>) -> Bool {
        guard left.count == right.count else { return false }
        for index in 0..<right.count where left[left.startIndex + index] != right[index] { return false }
        return true
    }
}
