import CLinux
import EventLoop
import Glibc
import NodeAgent
import Snapshot

/// The listening sockets of all workers, as the agent's thread sees them: it opens them, the workers own and close them.
struct ListenerSet {
    private struct Key: Hashable {
        let name: String
        let address: IPEndpoint
    }

    private struct Entry {
        let id: UInt64
        /// With the port that the kernel gave for 0.
        let bound: IPEndpoint
        /// One per worker.
        let descriptors: [CInt]
    }

    let workers: Int
    private var entries: [Key: Entry] = [:]
    private var nextID: UInt64 = 1
    /// By listener: the connections that they count outlive a snapshot.
    private var budgets: [String: ConnectionBudget] = [:]

    init(workers: Int) { self.workers = workers }

    /// The address that a listener's first address is bound to.
    func boundAddress(of name: String) -> IPEndpoint? {
        entries.first { $0.key.name == name }?.value.bound
    }

    /// Opens what is new and forgets what is gone. Sockets whose name and address stay are kept.
    ///
    /// - Returns: All sockets of each worker.
    /// - Throws: `RoleError` naming the first listener that can't be bound; then nothing has changed.
    mutating func update(_ snapshot: Snapshot) throws(RoleError) -> [[ListenerAssignment]] {
        var kept: [Key: Entry] = [:]
        var opened: [Entry] = []
        var assignments = [[ListenerAssignment]](repeating: [], count: workers)
        for (index, listener) in snapshot.listeners.enumerated() {
            let bounds = bounds(of: listener, snapshot.limits)
            let isPassthrough = listener.application == .tlsPassthrough
            let hellos = isPassthrough ? HelloTable(snapshot, listener: index) : nil
            for address in listener.addresses {
                let key = Key(name: listener.name, address: address)
                guard kept[key] == nil else { continue }
                let deferAccept = listener.application != .tcp
                let entry: Entry
                if let old = entries[key] {
                    entry = old
                } else {
                    do {
                        let held = (entries.values.map(\.bound) + opened.map(\.bound))
                        entry = try open(address, deferAccept: deferAccept, besides: held)
                        opened.append(entry)
                    } catch {
                        for entry in opened { for descriptor in entry.descriptors { close(descriptor) } }
                        throw RoleError(BindFailure.message(listener: listener.name, address: address, error))
                    }
                }
                kept[key] = entry
                for worker in 0..<workers {
                    assignments[worker].append(
                        ListenerAssignment(
                            id: entry.id, descriptor: entry.descriptors[worker], name: listener.name,
                            address: entry.bound,
                            pool: isPassthrough ? nil : listener.pool.map { snapshot.pools[$0].name },
                            hellos: hellos, deferAccept: deferAccept, bounds: bounds))
                }
            }
        }
        entries = kept
        return assignments
    }

    private mutating func bounds(of listener: Listener, _ limits: Limits) -> ListenerBounds {
        let budget = budgets[listener.name] ?? ConnectionBudget()
        budgets[listener.name] = budget
        budget.setLimit(listener.limits.connectionCountMax ?? .max)
        return ListenerBounds(limits.replaced(by: listener.limits), budget: budget)
    }

    /// The workers have closed everything.
    mutating func removeAll() { entries = [:] }

    private mutating func open(
        _ address: IPEndpoint, deferAccept: Bool, besides held: [IPEndpoint]
    ) throws(SocketError) -> Entry {
        // SO_REUSEPORT lets a second process of the same user in without a word, and it would get a share of our
        // clients: a bind without the option finds it, unless it is ourselves who listen there.
        if address.port != 0 && !held.contains(where: { $0.port == address.port && $0.family == address.family }) {
            try checkNobodyListens(on: address)
        }
        var bound = address
        var descriptors: [CInt] = []
        do {
            for _ in 0..<workers {
                let socket = try Socket.listen(on: bound, deferAccept: deferAccept)
                if let actual = Socket.localAddress(socket.rawValue) { bound.port = actual.port }
                descriptors.append(socket.release())
            }
        } catch {
            for descriptor in descriptors { close(descriptor) }
            throw error
        }
        defer { nextID += 1 }
        return Entry(id: nextID, bound: bound, descriptors: descriptors)
    }

    private func checkNobodyListens(on address: IPEndpoint) throws(SocketError) {
        let family = address.family == .v4 ? AF_INET : AF_INET6
        let socket = try Socket.make(family, CInt(SOCK_STREAM.rawValue))
        // Connections in TIME_WAIT don't count.
        try Socket.set(socket.rawValue, SOL_SOCKET, SO_REUSEADDR, 1)
        if address.family == .v6 { try Socket.set(socket.rawValue, CInt(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        try Socket.bind(socket.rawValue, .ip(address))
    }
}
