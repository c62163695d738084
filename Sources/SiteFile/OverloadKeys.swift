import Snapshot

enum OverloadKeys {
    private static let standard = OverloadLimits()
    static let delay = Key(
        "delay", .duration(.milliseconds(1) ... .seconds(60)), default: standard.delay,
        "How long what clients and endpoints send may wait until an event loop gets to it, over 100ms at least.")
    static let memory = Key(
        "memory", .percent(1...100), default: standard.memoryPercent, "The part of `proxy.memory` that may be in use.")
    static let retryAfter = Key(
        "retry_after", .duration(.seconds(1) ... .seconds(255)), default: standard.retryAfter,
        "When clients are asked to come again; rounded down to seconds.")
    static let section = Section(
        "limits.overload",
        "Beyond these an event loop answers new requests with 503 and `Retry-After`; not those of routes with `shed: false`, `redirect` or `respond`.",
        keys: [delay.declaration, memory.declaration, retryAfter.declaration])
}

extension SiteCompiler {
    func compile(overload reader: SectionReader) -> OverloadLimits {
        var limits = OverloadLimits()
        reader.read(OverloadKeys.delay, into: &limits.delay)
        reader.read(OverloadKeys.memory, into: &limits.memoryPercent)
        reader.read(OverloadKeys.retryAfter, into: &limits.retryAfter)
        return limits
    }
}
