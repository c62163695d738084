import Snapshot

extension SiteCompiler {
    func compile(health reader: SectionReader) -> HealthCheck? {
        var health = HealthCheck(probe: .tcp)
        reader.read(HealthKeys.interval, into: &health.interval)
        if let fast = reader.read(HealthKeys.fastInterval) {
            health.fastInterval = fast
            if fast > health.interval {
                diagnostics.error(
                    reader[node: HealthKeys.fastInterval]?.mark ?? reader.mark,
                    "\"fast_interval\" (\(Form<Duration>.render(fast))) is longer than \"interval\" (\(Form<Duration>.render(health.interval)))",
                    hint: "it is for endpoints that are about to change")
            }
        } else {
            health.fastInterval = HealthCheck(probe: .tcp, interval: health.interval).fastInterval
        }
        reader.read(HealthKeys.rise, into: &health.rise)
        reader.read(HealthKeys.fall, into: &health.fall)
        if let timeout = reader.read(HealthKeys.timeout) {
            health.timeout = timeout
            if timeout > health.interval {
                diagnostics.warning(
                    reader[node: HealthKeys.timeout]?.mark ?? reader.mark,
                    "\"timeout\" (\(Form<Duration>.render(timeout))) is longer than \"interval\" (\(Form<Duration>.render(health.interval)))",
                    hint: "a probe that takes longer than the interval delays the next one")
            }
        } else {
            health.timeout = min(health.timeout, health.interval)
        }
        let path = reader.read(HealthKeys.path)
        let expect = reader.read(HealthKeys.expect) ?? [200...399]
        let isTCP = reader.read(HealthKeys.tcp) ?? false
        switch (reader.has(HealthKeys.path), isTCP) {
        case (true, true):
            diagnostics.error(
                reader.mark(of: HealthKeys.tcp), "a health check has either `path` or `tcp: true`",
                hint: "a probe with `path` connects as well")
        case (false, false):
            if !reader.has(HealthKeys.tcp) || reader[node: HealthKeys.tcp]?.truth == false {
                diagnostics.error(
                    reader.mark, "a health check needs `path` or `tcp: true`", hint: "as in `health: {path: /healthz}`")
            }
        case (true, false):
            health.probe = .http(compile(probe: reader, path: path ?? "/", expect: expect))
        case (false, true):
            if reader.has(HealthKeys.expect) {
                diagnostics.error(
                    reader.mark(of: HealthKeys.expect), "a probe by connecting has no status to expect",
                    hint: "use `path` instead of `tcp`")
            }
            refuseOfTCP(HealthKeys.method, reader)
            refuseOfTCP(HealthKeys.headers, reader)
            refuseOfTCP(HealthKeys.expectBody, reader)
        }
        return health
    }

    private func refuseOfTCP(_ key: some KeyProtocol, _ reader: SectionReader) {
        guard reader.has(key) else { return }
        diagnostics.error(
            reader.mark(of: key), "a probe by connecting has no \(key.name.quoted)", hint: "use `path` instead of `tcp`"
        )
    }

    private func compile(probe reader: SectionReader, path: String, expect: [ClosedRange<Int>]) -> HTTPProbe {
        var probe = HTTPProbe(path: path, expect: expect)
        reader.read(HealthKeys.method, into: &probe.method)
        if let node = reader[node: HealthKeys.headers] {
            probe.fields = HeaderRuleReader(.request, diagnostics).constants(node, HealthKeys.headers)
                .map { HTTPProbe.Field(name: $0.name, value: $0.value) }
        }
        probe.body = reader.read(HealthKeys.expectBody)
        if probe.body != nil && probe.method == "HEAD" {
            diagnostics.error(
                reader.mark(of: HealthKeys.expectBody), "the answer to HEAD has no body",
                hint: "leave `method` out for GET")
        }
        return probe
    }
}
