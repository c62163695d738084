/// `health`: how an endpoint is probed.
package struct HealthCheck: Equatable, Sendable {
    package enum Probe: Equatable, Sendable {
        /// `tcp: true`: connecting is enough.
        case tcp
        /// `path`: one request over HTTP/1.1, inside of TLS where the pool has it.
        case http(HTTPProbe)
        /// `grpc`: one call of the gRPC health protocol about this service, empty for the whole server; inside of TLS
        /// where the pool has it.
        case grpc(service: String)

        package static func http(path: String, expect: [ClosedRange<Int>]) -> Probe {
            .http(HTTPProbe(path: path, expect: expect))
        }
    }
    package var probe: Probe
    /// From the start of one probe to the start of the next.
    package var interval: Duration
    /// The same while the last probe spoke against the endpoint's state; at most `interval`.
    package var fastInterval: Duration
    /// For one probe, connect included.
    package var timeout: Duration
    /// Passed probes in a row until a `down` endpoint is `up`.
    package var rise: Int
    /// Failed probes in a row until an `up` endpoint is `down`.
    package var fall: Int

    /// - Parameter fastInterval: A quarter of `interval` but not below 100 ms when nil.
    package init(
        probe: Probe, interval: Duration = .seconds(2), timeout: Duration = .seconds(1), rise: Int = 2, fall: Int = 3,
        fastInterval: Duration? = nil
    ) {
        self.probe = probe
        self.interval = interval
        self.timeout = timeout
        self.rise = rise
        self.fall = fall
        self.fastInterval = min(fastInterval ?? max(interval / 4, .milliseconds(100)), interval)
    }
}

/// A probe's request, and what its answer must be.
package struct HTTPProbe: Equatable, Sendable {
    package struct Field: Equatable, Sendable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }
    /// Bytes of an answer's body that `body` is looked for in.
    package static let bodyBytesMax = 64 * 1024

    package var method: String
    package var path: String
    /// Beside `Host`, `User-Agent` and `Connection`; a `Host` or `User-Agent` here stands instead of ours.
    package var fields: [Field]
    /// The status must lie in one of these.
    package var expect: [ClosedRange<Int>]
    /// Must occur in the first `bodyBytesMax` bytes of the body; nil: the body isn't read.
    package var body: String?

    package init(
        method: String = "GET", path: String, fields: [Field] = [], expect: [ClosedRange<Int>], body: String? = nil
    ) {
        self.method = method
        self.path = path
        self.fields = fields
        self.expect = expect
        self.body = body
    }
}
