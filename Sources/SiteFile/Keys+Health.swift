import Snapshot

enum HealthKeys {
    private static let standard = HealthCheck(probe: .tcp)
    static let path = Key(
        "path", .path, stands: "required, or `tcp`", "Probe with a request for this path over HTTP/1.1.")
    static let method = Key(
        "method", .word(["GET", "HEAD", "OPTIONS", "POST"].map { ($0, $0) }), default: "GET",
        "Method of a probe with `path`; the request has no body.")
    static let headers = Key(
        "headers", .shaped("a map from field names to values"),
        "Fields of a probe with `path`, as in `headers: {Host: shop.example}`. Without a `Host` the endpoint's address is it."
    )
    static let expect = Key(
        "expect", .oneOrMore(.statusRange, each: "status"), default: [200...399],
        "Statuses that pass, of a probe with `path`.")
    static let expectBody = Key(
        "expect_body", .probeText,
        "Text that must occur in the first 64 KiB of the answer's body, of a probe with `path`.")
    static let tcp = Key("tcp", .truth, default: false, "Probe by connecting only.")
    static let interval = Key(
        "interval", .duration(.milliseconds(100) ... .seconds(3600)), default: standard.interval,
        "From the start of one probe to the start of the next.")
    static let fastInterval = Key(
        "fast_interval", .duration(.milliseconds(100) ... .seconds(3600)),
        stands: "a quarter of `interval`, but not below `100ms`",
        "The same while an endpoint's state is about to change: after a failed probe of one that is up, after a passed one of one that is down, and until the first result. At most `interval`."
    )
    static let timeout = Key(
        "timeout", .duration(.milliseconds(10) ... .seconds(300)),
        stands: "`\(Form<Duration>.render(standard.timeout))`, or `interval` where that is shorter",
        "For one probe, connecting included; at most `interval`.")
    static let rise = Key(
        "rise", .integer(1...100), default: standard.rise,
        "Probes passed in a row until an endpoint that is down is up.")
    static let fall = Key(
        "fall", .integer(1...100), default: standard.fall,
        "Probes failed in a row until an endpoint that is up is down.")
    static let section = Section(
        "pools.NAME.health", "",
        keys: [
            path.declaration, method.declaration, headers.declaration, expect.declaration, expectBody.declaration,
            tcp.declaration, interval.declaration, fastInterval.declaration, timeout.declaration, rise.declaration,
            fall.declaration,
        ],
        later: ["grpc", "slow_start"])
}

extension Form where Value == String {
    /// What a probe's answer must hold.
    static var probeText: Form {
        .scalar("text of 1 to 1024 bytes") { (1...1024).contains($0.utf8.count) ? $0 : nil }
    }
}
