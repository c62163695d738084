import Snapshot

extension SiteCompiler {
    /// - Parameter response: `timeout.response` of the route.
    func compile(retry reader: SectionReader, response: Duration) -> RetryPolicy {
        var policy = RetryPolicy()
        reader.read(RetryKeys.attempts, into: &policy.attemptsMax)
        if let conditions = reader.read(RetryKeys.on) {
            policy.conditions = unique(conditions, at: reader.mark(of: RetryKeys.on), \.name)
        }
        reader.read(RetryKeys.budget, into: &policy.budgetPercent)
        policy.perTryTimeout = reader.read(RetryKeys.perTryTimeout)
        if policy.attemptsMax == 1 {
            warnWithoutRetries(RetryKeys.on, reader)
            warnWithoutRetries(RetryKeys.budget, reader)
        }
        if let timeout = policy.perTryTimeout { check(perTry: timeout, of: policy, reader, response: response) }
        return policy
    }

    private func warnWithoutRetries(_ key: some KeyProtocol, _ reader: SectionReader) {
        guard reader.has(key) else { return }
        diagnostics.warning(
            reader.mark(of: key), "\(key.name.quoted) has no effect with `attempts: 1`",
            hint: "`attempts` counts the first one, too")
    }

    private func check(perTry timeout: Duration, of policy: RetryPolicy, _ reader: SectionReader, response: Duration) {
        let mark = reader.mark(of: RetryKeys.perTryTimeout)
        if timeout >= response {
            diagnostics.warning(
                mark,
                "\"per_try_timeout\" (\(Form<Duration>.render(timeout))) has no effect: `timeout.response` (\(Form<Duration>.render(response))) ends the attempt first",
                hint: "shorten it")
        } else if policy.attemptsMax > 1 && !policy.conditions.contains(.status(504)) {
            diagnostics.warning(
                mark, "a request that is not answered within \(Form<Duration>.render(timeout)) is not sent again",
                hint: "add 504 to `on`")
        }
    }
}
