import NodeLink

/// What one worker counts. Written by the worker alone; read by it too, when a report is asked for.
@safe
struct Statistics: ~Copyable {
    /// Status codes that can be counted: 100…599.
    static var codes: Int { 500 }
    /// Upper bounds of the duration buckets in seconds, as Prometheus names them.
    static let bounds = [
        "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10",
        "+Inf",
    ]
    static var buckets: Int { 15 }

    /// Index into `bounds`. Written out: a table would be looked up through a lazy global on each request.
    private static func bucket(_ nanoseconds: UInt64) -> Int {
        switch nanoseconds {
        case ...500_000: 0
        case ...1_000_000: 1
        case ...2_500_000: 2
        case ...5_000_000: 3
        case ...10_000_000: 4
        case ...25_000_000: 5
        case ...50_000_000: 6
        case ...100_000_000: 7
        case ...250_000_000: 8
        case ...500_000_000: 9
        case ...1_000_000_000: 10
        case ...2_500_000_000: 11
        case ...5_000_000_000: 12
        case ...10_000_000_000: 13
        default: 14
        }
    }

    /// Requests of one listener and route.
    @safe
    struct Series {
        let codes: UnsafeMutablePointer<UInt64>
        /// Not cumulative; the last one is +Inf.
        let buckets: UnsafeMutablePointer<UInt64>
        var nanoseconds: UInt64 = 0
        /// Cut off by `timeout.request`.
        var timedOut: UInt64 = 0

        init() {
            unsafe codes = .allocate(capacity: Statistics.codes)
            unsafe codes.initialize(repeating: 0, count: Statistics.codes)
            unsafe buckets = .allocate(capacity: Statistics.buckets)
            unsafe buckets.initialize(repeating: 0, count: Statistics.buckets)
        }
    }

    /// By series number; nil before the first request.
    private var series: UnsafeMutablePointer<UnsafeMutablePointer<Series>?>
    private var seriesCapacity = 64
    var bytesIn: UInt64 = 0
    var bytesOut: UInt64 = 0
    var early = EarlyDataCounts()
    /// Requests and responses that were refused for their bytes.
    var malformed = MalformedCounts()
    var handshakes = HandshakeCounts()
    /// Connections that were not taken: draining, full, unknown listener, foreign forwarder.
    var refused: UInt64 = 0
    /// Connects that this host had no descriptor or memory for; by `Shortage`.
    var shortages: (descriptors: UInt64, memory: UInt64) = (0, 0)
    /// What `limits` ended: connections, connections after their last request, clients that took too little.
    var limitedSources: UInt64 = 0
    var limitedRequests: UInt64 = 0
    var limitedWrites: UInt64 = 0
    var http2 = HTTP2Counts()
    var endpointHTTP2 = EndpointHTTP2Counts()

    init() {
        unsafe series = .allocate(capacity: seriesCapacity)
        unsafe series.initialize(repeating: nil, count: seriesCapacity)
    }

    deinit {
        for index in 0..<seriesCapacity {
            guard let block = unsafe series[index] else { continue }
            unsafe block.pointee.codes.deallocate()
            unsafe block.pointee.buckets.deallocate()
            unsafe block.deallocate()
        }
        unsafe series.deallocate()
    }

    mutating func countRequest(series number: UInt32, status: Int, nanoseconds: UInt64) {
        let block = unsafe block(Int(number))
        unsafe block.pointee.codes[min(max(status, 100), 599) - 100] &+= 1
        unsafe block.pointee.nanoseconds &+= nanoseconds
        unsafe block.pointee.buckets[Statistics.bucket(nanoseconds)] &+= 1
    }

    mutating func countTimedOut(series number: UInt32) {
        let block = unsafe block(Int(number))
        unsafe block.pointee.timedOut &+= 1
    }

    private mutating func block(_ number: Int) -> UnsafeMutablePointer<Series> {
        if number < seriesCapacity, let block = unsafe series[number] { return unsafe block }
        return unsafe makeBlock(number)
    }

    @inline(never)
    private mutating func makeBlock(_ number: Int) -> UnsafeMutablePointer<Series> {
        if number >= seriesCapacity {
            let grown = max(number + 1, seriesCapacity * 2)
            let moved = UnsafeMutablePointer<UnsafeMutablePointer<Series>?>.allocate(capacity: grown)
            unsafe moved.initialize(from: series, count: seriesCapacity)
            unsafe (moved + seriesCapacity).initialize(repeating: nil, count: grown - seriesCapacity)
            unsafe series.deallocate()
            unsafe series = unsafe moved
            seriesCapacity = grown
        }
        let block = UnsafeMutablePointer<Series>.allocate(capacity: 1)
        unsafe block.initialize(to: Series())
        unsafe series[number] = unsafe block
        return unsafe block
    }

    /// Samples of all series, named by the registry's numbers.
    func samples(_ names: [IdentityRegistry.Series]) -> [Sample] {
        var samples: [Sample] = []
        for (number, name) in names.enumerated() where number < seriesCapacity {
            guard let block = unsafe series[number] else { continue }
            let labels: [Sample.Label] = [.init("listener", name.listener), .init("route", name.route)]
            for code in 0..<Statistics.codes {
                let count = unsafe block.pointee.codes[code]
                guard count > 0 else { continue }
                samples.append(
                    Sample("sluice_requests_total", labels + [.init("code", String(code + 100))], Double(count)))
            }
            if unsafe block.pointee.timedOut > 0 {
                samples.append(
                    Sample("sluice_requests_timed_out_total", labels, unsafe Double(block.pointee.timedOut)))
            }
            var cumulative: UInt64 = 0
            for (bucket, bound) in Statistics.bounds.enumerated() {
                unsafe cumulative += block.pointee.buckets[bucket]
                samples.append(
                    Sample("sluice_request_duration_seconds_bucket", labels + [.init("le", bound)], Double(cumulative)))
            }
            let seconds = unsafe Double(block.pointee.nanoseconds) / 1e9
            samples.append(Sample("sluice_request_duration_seconds_sum", labels, seconds))
            samples.append(Sample("sluice_request_duration_seconds_count", labels, Double(cumulative)))
        }
        samples.append(Sample("sluice_bytes_total", [.init("direction", "in")], Double(bytesIn)))
        samples.append(Sample("sluice_bytes_total", [.init("direction", "out")], Double(bytesOut)))
        return samples
    }
}
