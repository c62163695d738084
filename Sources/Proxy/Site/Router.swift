import Balancing
import Glibc
import Snapshot

/// The routes of one listener, compiled: host and path to the first route of the site file that matches.
///
/// Routes for any host, for the exact host and for each of its suffixes have a path table each; the lowest index of
/// all wins, which is what "the first that matches" means. Further conditions of a route are asked where host and path
/// lead to it, and only when no earlier route is known to match.
@safe
struct Router: BitwiseCopyable {
    /// No route matches.
    static let none = PathTable.none
    /// A longer host matches only routes for any host (RFC 1035 §3.1: a name has 255 bytes at most).
    private static let hostBytesMax = 255

    private struct HostEntry: BitwiseCopyable {
        var hash: UInt64
        var name: Bytes
        var isSuffix: Bool
        var table: Int32
    }
    /// By route.
    let conditions: UnsafeMutablePointer<RouteConditions>
    private let anyHost: PathTable
    private let tables: UnsafeMutablePointer<PathTable>
    /// Open addressing; `table` is -1 in an empty slot. A power of two, at most a quarter full: few names share a run.
    private let slots: UnsafeMutablePointer<HostEntry>
    private let slotMask: Int
    private let hostCount: Int
    private let hasSuffixes: Bool

    /// - Parameters:
    ///   - routes: All routes of the site; those that don't serve the listener are left out.
    ///   - matches: Made of the same routes.
    init(_ routes: [Route], _ matches: CompiledMatches, listener: Int, arena: Arena) {
        unsafe conditions = unsafe matches.conditions
        var anyHost: [PathTable.Filed] = []
        var byHost: [HostPattern: [PathTable.Filed]] = [:]
        // In file order: every node makes the same table.
        var hosts: [HostPattern] = []
        for (index, route) in routes.enumerated() where route.listeners.contains(listener) {
            let filed = matches.filed[index]
            if route.match.hosts.isEmpty { anyHost.append(filed) }
            for host in route.match.hosts where byHost[host]?.last?.route != filed.route {
                if byHost[host] == nil { hosts.append(host) }
                byHost[host, default: []].append(filed)
            }
        }
        self.anyHost = PathTable(anyHost, arena: arena)
        var slotCount = 2
        while slotCount < byHost.count * 4 { slotCount *= 2 }
        slotMask = slotCount - 1
        hostCount = byHost.count
        let empty = HostEntry(hash: 0, name: arena.make(""), isSuffix: false, table: -1)
        unsafe slots = arena.make([HostEntry](repeating: empty, count: slotCount))
        var tables: [PathTable] = []
        var hasSuffixes = false
        for host in hosts {
            let name: String
            let isSuffix: Bool
            switch host {
            case .exact(let exact): (name, isSuffix) = (exact, false)
            case .suffix(let suffix): (name, isSuffix) = (suffix, true)
            }
            hasSuffixes = hasSuffixes || isSuffix
            let hash = Hash64.xxh64(name.utf8)
            var slot = Int(truncatingIfNeeded: hash) & slotMask
            while unsafe slots[slot].table >= 0 { slot = (slot + 1) & slotMask }
            unsafe slots[slot] = HostEntry(
                hash: hash, name: arena.make(name), isSuffix: isSuffix, table: Int32(tables.count))
            tables.append(PathTable(byHost[host] ?? [], arena: arena))
        }
        unsafe self.tables = arena.make(tables)
        self.hasSuffixes = hasSuffixes
    }

    /// - Parameters:
    ///   - host: The request's authority as received, with or without a port.
    ///   - path: The request's path in normal form, without the query.
    ///   - questions: Asked about routes with further conditions.
    /// - Returns: Index into the snapshot's routes, or `none`.
    func route(
        host: UnsafePointer<UInt8>, _ hostCount: Int, path: UnsafePointer<UInt8>, _ pathCount: Int,
        _ questions: inout some RouteQuestions
    ) -> Int32 {
        let best = unsafe anyHost.route(path, pathCount, before: Router.none, &questions)
        guard self.hostCount > 0, hostCount > 0 else { return best }
        return unsafe routeByHost(host, hostCount, path, pathCount, before: best, &questions)
    }

    private func routeByHost(
        _ host: UnsafePointer<UInt8>, _ hostCount: Int, _ path: UnsafePointer<UInt8>, _ pathCount: Int,
        before limit: Int32, _ questions: inout some RouteQuestions
    ) -> Int32 {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Router.hostBytesMax) { name in
            var count = 0
            var isBracketed = false
            while count < hostCount {
                let byte = unsafe host[count]
                if byte == 0x3a && !isBracketed { break }
                guard count < Router.hostBytesMax else { return limit }
                if byte == 0x5b { isBracketed = true }
                if byte == 0x5d { isBracketed = false }
                unsafe name[count] = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
                count += 1
            }
            // "shop.example." is the same name, fully qualified.
            if unsafe count > 1 && name[count - 1] == 0x2e { count -= 1 }
            guard count > 0 else { return limit }
            let base = unsafe UnsafePointer(name.baseAddress!)
            var best = limit
            let exact = unsafe table(base, count, isSuffix: false, &questions)
            if exact >= 0 { best = unsafe tables[exact].route(path, pathCount, before: best, &questions) }
            guard hasSuffixes else { return best }
            for index in 1..<count where unsafe base[index - 1] == 0x2e && index > 1 {
                let suffix = unsafe table(base + index, count - index, isSuffix: true, &questions)
                if suffix >= 0 { best = unsafe tables[suffix].route(path, pathCount, before: best, &questions) }
            }
            return best
        }
    }

    /// Index of the table of one host pattern; -1 when the site has none.
    private func table(
        _ name: UnsafePointer<UInt8>, _ count: Int, isSuffix: Bool, _ questions: inout some RouteQuestions
    ) -> Int {
        let hash = unsafe Hash64.xxh64(UnsafeRawBufferPointer(start: name, count: count))
        var slot = Int(truncatingIfNeeded: hash) & slotMask
        while true {
            let entry = unsafe slots[slot]
            if entry.table < 0 { return -1 }
            questions.compared()
            if entry.hash == hash, entry.isSuffix == isSuffix, unsafe entry.name.equals(name, count: count) {
                return Int(entry.table)
            }
            slot = (slot + 1) & slotMask
        }
    }
}
