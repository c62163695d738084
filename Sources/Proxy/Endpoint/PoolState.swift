import Balancing
import Snapshot
import TLS

/// A pool as one worker balances it.
@safe
struct PoolState {
    /// Numbers, by index in the pool.
    let endpoints: UnsafeMutablePointer<UInt32>
    let count: Int
    /// Identity across revisions: index of the worker's `poolFigures`.
    let number: Int
    let connections: CompiledConnections
    let hashKey: CompiledHashKey?
    let sticky: CompiledSticky?
    let requests: CompiledRequestLimits
    /// nil: endpoints are spoken to in the clear. Held by the site.
    let tlsContext: Unmanaged<TLSClientContext>?
    let tlsIdentity: UInt32
    var balancer: PoolBalancer

    init(_ pool: CompiledPool, worker: Int = 0, tls: TLSClientContext? = nil) {
        unsafe tlsContext = unsafe tls.map { unsafe Unmanaged.passUnretained($0) }
        tlsIdentity = pool.tlsIdentity
        requests = pool.requests
        unsafe endpoints = unsafe pool.endpoints
        count = pool.count
        number = pool.number
        connections = pool.connections.share(of: worker)
        hashKey = pool.hashKey
        sticky = pool.sticky
        unsafe balancer = PoolBalancer(pool.shape.takeUnretainedValue())
    }

    func destroy() { balancer.destroy() }

    /// Something of a request decides on its endpoint.
    var goesByRequest: Bool { hashKey != nil || sticky != nil }

    /// Whether an endpoint is in the pool, by its number.
    func contains(_ number: UInt32) -> Bool {
        for index in 0..<count where unsafe endpoints[index] == number { return true }
        return false
    }
}
