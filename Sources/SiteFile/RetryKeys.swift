import Snapshot

enum RetryKeys {
    private static let standard = RetryPolicy()
    static let attempts = Key(
        "attempts", .integer(RetryPolicy.attemptsRange), default: standard.attemptsMax,
        "How often one request is sent, the first time included, each time to an endpoint that it has not been sent to. 1: never again."
    )
    static let on = Key(
        "on", .oneOrMore(.retryCondition, each: "condition", mayBeEmpty: true, render: \.name),
        default: standard.conditions,
        "After what a request is sent again: `connect-failure` (any request, for nothing was sent), `reset` (the connection ended before a response), or a status of the response. `502` and `504` mean as well that the endpoint's bytes were no response, or none came in time. All but `connect-failure` apply to idempotent requests (GET, HEAD, OPTIONS, TRACE, PUT, DELETE) without a body, or with one of at most 32 KiB."
    )
    static let perTryTimeout = Key(
        "per_try_timeout", .duration(.milliseconds(10) ... .seconds(24 * 3600)), stands: "`timeout.response`",
        "For one attempt, from its start (or the end of the request's body, where that comes later) to the head of the response; the attempt then ends as with `504`."
    )
    static let budget = Key(
        "budget", .percent(0...100), default: standard.budgetPercent,
        "Retries under way at a time, as a share of the requests under way at the pool; three always have room. Counted by each event loop; retries after `connect-failure` are not counted, as nothing was sent. With the budget spent, the endpoint's answer is passed on; a request that has none (`reset`) waits for room for up to 5s."
    )
    static let section = Section(
        "routes[].retry", "",
        keys: [attempts.declaration, on.declaration, perTryTimeout.declaration, budget.declaration])
}

extension Form where Value == RetryPolicy.Condition {
    static var retryCondition: Form {
        let words: [Value] = [.connectFailure, .reset]
        return .scalar(
            "`connect-failure`, `reset` or a status from 400 to 599", render: \.name,
            hint: { Suggestion.hint(for: $0, among: words.map(\.name)) },
            parse: { text in
                if let word = words.first(where: { $0.name == text }) { return word }
                guard let status = Form<Int>.decimal(text), 400...599 ~= status else { return nil }
                return .status(status)
            })
    }
}
