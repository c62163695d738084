import Snapshot

enum HealthKeys {
    private static let standard = HealthCheck(probe: .tcp)
    static let path = Key(
        "path", .path, stands: "required, or `grpc` or `tcp`",
        "Probe with a request for this path over HTTP/1.1, inside of TLS by the pool's `tls` where it has one.")
    static let method = Key(
        "method", .word(["GET", "HEAD", "OPTIONS", "POST"].map { ($0, $0) }), default: "GET",
        "Method of a probe with `path`; the request has no body.")
    static let headers = Key(
        "headers", .shaped("a map from field names to values"),
        "Fields of a probe with `path`, as in `headers: {Host: shop.example}`. Without a `Host` the pool's `tls.server_name` is it, or else the endpoint's address."
    )
    static let expect = Key(
        "expect", .oneOrMore(.statusRange, each: "status"), default: [200...399],
        "Statuses that pass, of a probe with `path`.")
    static let expectBody = Key(
        "expect_body", .probeText,
        "Text that must occur in the first 64 KiB of the answer's body, of a probe with `path`.")
    static let grpc = Key(
        "grpc", .grpcService, stands: "required, or `path` or `tcp`",
        "Probe by asking for this service by the gRPC health protocol (`grpc.health.v1.Health/Check`); `\"\"` asks for the whole server. Over HTTP/2 with prior knowledge, or inside of TLS by the pool's `tls`, where the endpoint must choose `h2`. Only the status SERVING passes."
    )
    static let tcp = Key("tcp", .truth, default: false, "Probe by connecting only, without TLS.")
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
        "pools.NAME.health",
        "Probes inside of TLS take up sessions again, but look at the endpoint's certificate anew at least once a minute.",
        keys: [
            path.declaration, method.declaration, headers.declaration, expect.declaration, expectBody.declaration,
            grpc.declaration, tcp.declaration, interval.declaration, fastInterval.declaration, timeout.declaration,
            rise.declaration,
            fall.declaration, BalanceKeys.slowStart.declaration,
        ])
}

extension Form where Value == String {
    /// What a probe's answer must hold.
    static var probeText: Form {
        .scalar("text of 1 to 1024 bytes") { (1...1024).contains($0.utf8.count) ? $0 : nil }
    }
}

extension Form where Value == String {
    /// Bytes of a service's name at most.
    private static var serviceBytesMax: Int { 256 }

    /// The health protocol takes any text; `true` would be a service of that name, which nobody means.
    static var grpcService: Form {
        let phrase = "the name of a service such as \("shop.v1.Cart".quoted)"
        return Form(phrase: phrase, render: \.quoted) { node, field in
            if let text = node.text, node.truth == nil, text.utf8.count <= serviceBytesMax,
                !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f })
            {
                return text
            }
            field.refuse(
                node, takes: phrase, hint: node.isNull || node.truth != nil ? "`\"\"` asks for the whole server" : nil)
            return nil
        }
    }
}
