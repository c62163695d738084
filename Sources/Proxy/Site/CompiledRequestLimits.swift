import Balancing
import Snapshot

/// `requests` of a pool.
@safe
struct CompiledRequestLimits: BitwiseCopyable {
    /// The adaptive limit's upper end without `max`.
    static let adaptiveMax = 1000

    /// Requests of all workers; nil for no bound.
    let count: UnsafeMutablePointer<EndpointBudget>?
    let countMax: Int
    let isAdaptive: Bool
    let gradient: GradientLimit.Settings
    /// There is a limit of either kind.
    let isLimited: Bool

    init(_ pool: Pool, _ registry: IdentityRegistry) {
        let limits = pool.requests
        unsafe count = unsafe limits.countMax == nil ? nil : registry.requestCount(ofPool: pool.name)
        countMax = limits.countMax ?? .max
        isAdaptive = limits.adaptive != nil
        let adaptive = limits.adaptive ?? .init()
        gradient = .init(
            min: Double(adaptive.countMin),
            max: Double(max(limits.countMax ?? CompiledRequestLimits.adaptiveMax, adaptive.countMin)),
            tolerance: Double(adaptive.tolerancePercent) / 100)
        isLimited = limits.countMax != nil || isAdaptive
    }
}
