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
        if let probe = compile(probeOf: reader) { health.probe = probe }
        return health
    }

    /// - Returns: nil after an error was reported.
    private func compile(probeOf reader: SectionReader) -> HealthCheck.Probe? {
        let path = reader.read(HealthKeys.path)
        let expect = reader.read(HealthKeys.expect) ?? [200...399]
        let isTCP = reader.read(HealthKeys.tcp) ?? false
        let service = reader.read(HealthKeys.grpc)
        if reader.has(HealthKeys.grpc) {
            let others = (reader.has(HealthKeys.path) ? ["`path`"] : []) + (isTCP ? ["`tcp: true`"] : [])
            for other in others {
                diagnostics.error(
                    reader.mark(of: HealthKeys.grpc), "a health check has either `grpc` or \(other)",
                    hint: "a probe with `grpc` connects as well, and asks by the gRPC health protocol")
            }
            if others.isEmpty { refuseHTTP(reader, "a probe by gRPC", hint: "what passes is the status SERVING") }
            return service.map { .grpc(service: $0) }
        }
        switch (reader.has(HealthKeys.path), isTCP) {
        case (true, true):
            diagnostics.error(
                reader.mark(of: HealthKeys.tcp), "a health check has either `path` or `tcp: true`",
                hint: "a probe with `path` connects as well")
            return nil
        case (false, false):
            if !reader.has(HealthKeys.tcp) || reader[node: HealthKeys.tcp]?.truth == false {
                diagnostics.error(
                    reader.mark, "a health check needs `path`, `grpc` or `tcp: true`",
                    hint: "as in `health: {path: /healthz}`")
            }
            return nil
        case (true, false): return .http(compile(probe: reader, path: path ?? "/", expect: expect))
        case (false, true):
            refuseHTTP(reader, "a probe by connecting", hint: "use `path` instead of `tcp`")
            return .tcp
        }
    }

    /// What only requests of HTTP have.
    private func refuseHTTP(_ reader: SectionReader, _ probe: String, hint: String) {
        if reader.has(HealthKeys.expect) {
            diagnostics.error(reader.mark(of: HealthKeys.expect), "\(probe) has no status to expect", hint: hint)
        }
        refuse(HealthKeys.method, reader, probe, hint)
        refuse(HealthKeys.headers, reader, probe, hint)
        refuse(HealthKeys.expectBody, reader, probe, hint)
    }

    private func refuse(_ key: some KeyProtocol, _ reader: SectionReader, _ probe: String, _ hint: String) {
        guard reader.has(key) else { return }
        diagnostics.error(reader.mark(of: key), "\(probe) has no \(key.name.quoted)", hint: hint)
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
