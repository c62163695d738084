import Snapshot

enum RequestLimitKeys {
    private static let standard = RequestLimits.Adaptive()
    static let max = Key(
        "max", .integer(1...1_000_000), stands: "no bound",
        "Requests that one proxy node has under way for the pool at a time, those included that wait in its queue or to be sent again. One more is answered with 503 and `Retry-After` at once."
    )
    static let adaptive = Key(
        "adaptive", .truth, default: false,
        "Each event loop finds out how many requests the pool takes at a time (at most `max`, or 1000), and answers those beyond with 503 and `Retry-After`: more and more while answers take as long as without load, fewer as soon as they take longer (Envoy's gradient controller). Once a minute the latency without load is measured: no more than `min` go on until fifty of them are answered."
    )
    static let min = Key(
        "min", .integer(RequestLimits.Adaptive.minRange), default: standard.countMin,
        "What the adaptive limit of one event loop never falls below, and is while the latency without load is measured."
    )
    static let tolerance = Key(
        "tolerance", .percent(RequestLimits.Adaptive.toleranceRange), default: standard.tolerancePercent,
        "How long answers may take before the adaptive limit shrinks, against the latency without load.")
    static let section = Section(
        "pools.NAME.requests", "",
        keys: [max.declaration, adaptive.declaration, min.declaration, tolerance.declaration])
}

extension SiteCompiler {
    func compile(requests reader: SectionReader) -> RequestLimits {
        var limits = RequestLimits(countMax: reader.read(RequestLimitKeys.max))
        var adaptive = RequestLimits.Adaptive()
        reader.read(RequestLimitKeys.min, into: &adaptive.countMin)
        reader.read(RequestLimitKeys.tolerance, into: &adaptive.tolerancePercent)
        guard reader.read(RequestLimitKeys.adaptive) == true else {
            warnWithoutAdaptive(RequestLimitKeys.min, reader)
            warnWithoutAdaptive(RequestLimitKeys.tolerance, reader)
            return limits
        }
        if let countMax = limits.countMax, adaptive.countMin > countMax {
            diagnostics.error(
                reader.mark(of: reader.has(RequestLimitKeys.min) ? RequestLimitKeys.min : RequestLimitKeys.max),
                "\"min\" (\(adaptive.countMin)) is above \"max\" (\(countMax))",
                hint: "the limit moves between the two")
        }
        limits.adaptive = adaptive
        return limits
    }

    private func warnWithoutAdaptive(_ key: some KeyProtocol, _ reader: SectionReader) {
        guard reader.has(key) else { return }
        diagnostics.warning(
            reader.mark(of: key), "\(key.name.quoted) has no effect without `adaptive: true`", hint: "remove it")
    }
}
