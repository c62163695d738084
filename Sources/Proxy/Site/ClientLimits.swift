import HTTP1
import Snapshot

/// `limits` as the connections of one listener have them: those of the site, with what the listener says otherwise.
struct ClientLimits: BitwiseCopyable {
    /// A scope of `SourceTable` that listeners without a bound of their own share.
    static let sharedSources = UInt32.max

    /// Connections of this listener that one worker has; `Int.max` when only the site's bound counts.
    let connectionCountMax: Int
    /// 0: no limit.
    let connectionsPerSourceMax: UInt32
    /// Among which connections those of a source are counted: the listener's number, or `sharedSources`.
    let sourceScope: UInt32
    /// `UInt32.max`: no limit.
    let requestsPerConnectionMax: UInt32
    let head: HeadLimits
    /// Of an answer, for a client that reads slowly.
    let bufferBytesMax: Int
    let headNanoseconds: UInt64
    let bodyIdleNanoseconds: UInt64
    let idleNanoseconds: UInt64
    let tunnelNanoseconds: UInt64
    let writeNanoseconds: UInt64

    /// - Parameter number: The listener's.
    init(_ site: Limits, _ own: ListenerLimits = .init(), number: UInt32 = ClientLimits.sharedSources, workers: Int) {
        let limits = site.replaced(by: own)
        connectionCountMax = own.connectionCountMax.map { ($0 + workers - 1) / workers } ?? .max
        connectionsPerSourceMax = UInt32(clamping: own.connectionsPerSourceMax ?? site.connectionsPerSourceMax ?? 0)
        sourceScope = own.connectionsPerSourceMax == nil ? ClientLimits.sharedSources : number
        requestsPerConnectionMax = UInt32(clamping: limits.requestsPerConnectionMax ?? Int.max)
        head = HeadLimits(headBytesMax: limits.headBytesMax, fieldCountMax: limits.fieldCountMax)
        bufferBytesMax = limits.bufferBytesMax
        headNanoseconds = limits.headTimeout.nanosecondsUnsigned
        bodyIdleNanoseconds = limits.bodyIdleTimeout.nanosecondsUnsigned
        idleNanoseconds = limits.idleTimeout.nanosecondsUnsigned
        tunnelNanoseconds = limits.tunnelTimeout.nanosecondsUnsigned
        writeNanoseconds = (limits.writeTimeout ?? limits.bodyIdleTimeout).nanosecondsUnsigned
    }
}
