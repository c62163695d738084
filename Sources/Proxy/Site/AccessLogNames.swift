import EventLoop
import NodeAgent
import Snapshot
import Telemetry

/// Names as the access log writes them, by the numbers and indices that exchanges carry. Made only when a site logs.
@safe
struct AccessLogNames: BitwiseCopyable {
    /// By listener number.
    private let listeners: UnsafeMutablePointer<Bytes>
    private let listenerCount: Int
    /// By index in the site.
    private let routes: UnsafeMutablePointer<Bytes>
    private let pools: UnsafeMutablePointer<Bytes>
    /// By endpoint number.
    private let endpoints: UnsafeMutablePointer<Bytes>
    private let endpointCount: Int

    init(_ snapshot: Snapshot, _ registry: IdentityRegistry, arena: Arena) {
        unsafe listeners = arena.make(registry.listeners.map(arena.make))
        listenerCount = registry.listeners.count
        unsafe routes = arena.make(snapshot.routes.map { arena.make($0.name) })
        unsafe pools = arena.make(snapshot.pools.map { arena.make($0.name) })
        unsafe endpoints = arena.make(registry.endpoints.map { arena.make($0.address.description) })
        endpointCount = registry.endpoints.count
    }

    func listener(_ number: UInt32) -> AccessText {
        number < listenerCount ? unsafe AccessText(listeners[Int(number)]) : AccessText()
    }

    func route(_ index: Int32) -> AccessText { unsafe AccessText(routes[Int(index)]) }

    func pool(_ index: Int) -> AccessText { unsafe AccessText(pools[index]) }

    /// The endpoint's address.
    func endpoint(_ number: UInt32) -> AccessText {
        number < endpointCount ? unsafe AccessText(endpoints[Int(number)]) : AccessText()
    }
}

extension AccessText {
    init(_ bytes: Bytes) { unsafe self.init(bytes.base, bytes.count) }
}

/// What a worker needs to log under one site.
struct WorkerLog {
    let ring: LogRing
    let names: AccessLogNames
}
