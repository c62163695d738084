import Snapshot

enum HedgeKeys {
    static let after = Key(
        "after", .hedgeDelay, stands: "required",
        "When the second request is sent, counted from the first one: a duration, or a percentile such as `p95` of what the pool's last answers took (none before a hundred answers)."
    )
    static let section = Section(
        "routes[].hedge",
        "A request that is idempotent and has no body goes to a second endpoint when no answer has begun; the one that answers first wins, the other connection is closed. Counts as a retry: `retry.attempts` and `retry.budget` hold, and an answer that `retry.on` names doesn't win. Not where `connections.max` is set.",
        keys: [after.declaration])
}

extension Form where Value == HedgePolicy.Delay {
    static var hedgeDelay: Form {
        return .scalar(
            "a duration from 1ms to 60s or a percentile from p50 to p99",
            render: { delay in
                switch delay {
                case .time(let time): Form<Duration>.render(time)
                case .percentile(let percent): "p\(percent)"
                }
            },
            hint: { text in
                Form<Int>.decimal(text) == nil ? nil : "a duration has a unit, as in \("\(text)ms".quoted)"
            },
            parse: { text in
                if text.hasPrefix("p"), let percent = Form<Int>.decimal(String(text.dropFirst())) {
                    return HedgePolicy.percentiles ~= percent ? .percentile(percent) : nil
                }
                guard let time = Form<Duration>.parse(text), time >= .milliseconds(1), time <= .seconds(60) else {
                    return nil
                }
                return .time(time)
            })
    }
}

extension SiteCompiler {
    func compile(hedge reader: SectionReader, of route: Route) -> HedgePolicy? {
        guard let after = reader.require(HedgeKeys.after, hint: "as in `hedge: {after: 100ms}`") else { return nil }
        if route.retry.attemptsMax == 1 {
            diagnostics.warning(
                reader.mark, "a hedge has no effect with `retry: {attempts: 1}`",
                hint: "the second request counts as an attempt")
        }
        return HedgePolicy(after: after)
    }
}
