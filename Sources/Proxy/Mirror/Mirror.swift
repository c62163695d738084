import EventLoop
import HTTPMessage

/// A copy of a request, on its way to a pool whose answer nobody waits for. A plain value in a slab of its own: it shares
/// nothing with the exchange that it is a copy of but the bytes that are copied, so it can neither slow nor fail it.
///
///     gathering ──body complete──▶ waiting ──turn's end──▶ connecting ──▶ sending ──▶ reading ──▶ over
///         └── body too long, request over before its body: dropped       └── broken, too late: failed
@safe
struct Mirror: BitwiseCopyable {
    enum Phase: UInt8, BitwiseCopyable {
        /// The request's body is on its way from the client.
        case gathering
        /// Whole; it begins when the turn's clients have been served.
        case waiting
        case connecting
        /// The request goes out; an answer may come meanwhile.
        case sending
        /// The request is sent, the answer is read and thrown away.
        case reading
    }
    static let none = UInt32.max
    /// Blocks of one copy: the largest head and the largest body that `mirror.body` allows.
    static let blocksMax = 17

    var slot: UInt32 = 0
    var phase = Phase.gathering
    /// The site that the request began with.
    let site: UnsafeMutablePointer<WorkerSite>
    let settings: UnsafePointer<CompiledMirror>
    /// For the whole of connecting, sending and reading.
    let timeNanoseconds: UInt64
    let method: Method
    /// Head and body.
    var blocks: InlineArray<17, Buffer> = .init(repeating: Buffer())
    var blockCount = 0
    /// The block that is sent next.
    var sentBlocks = 0
    /// Bytes of the body, chunk framing included, that are in the blocks.
    var bodyBytes: UInt64 = 0

    var connection = EndpointConnection.none
    /// The number of its endpoint, once there is one.
    var endpoint = EndpointConnection.none
    /// What of the body has gone to an endpoint of HTTP/2.
    var request = BodyProgress(.none)
    /// The head of the answer has come.
    var hasHead = false
    var interimCount: UInt8 = 0
    var status = 0
    var answer = BodyProgress(.none)
    var endpointPersists = false

    init(
        site: UnsafeMutablePointer<WorkerSite>, settings: UnsafePointer<CompiledMirror>, timeNanoseconds: UInt64,
        method: Method
    ) {
        unsafe self.site = unsafe site
        unsafe self.settings = unsafe settings
        self.timeNanoseconds = timeNanoseconds
        self.method = method
    }
}

/// What one worker counts of the copies that one route sends to one pool, by number; outlives snapshots.
struct MirrorFigures: BitwiseCopyable {
    /// Copies that hold memory or a connection.
    var inFlight = 0
    var answered: UInt64 = 0
    var failed: UInt64 = 0
    /// By `MirrorDrop.rawValue`.
    var dropped: InlineArray<5, UInt64> = .init(repeating: 0)
}

/// Why a copy was not sent.
enum MirrorDrop: UInt8, CaseIterable {
    /// `mirror.in_flight` copies are under way.
    case inFlight
    /// Head or body is larger than may be copied.
    case size
    /// The request ended before its body had come.
    case unfinished
    /// No endpoint of the pool is up, or none has room (`connections.max`).
    case noEndpoint
    /// No memory or descriptor.
    case shortage

    /// The word in metrics.
    var reason: String {
        switch self {
        case .inFlight: "in-flight"
        case .size: "size"
        case .unfinished: "unfinished"
        case .noEndpoint: "no-endpoint"
        case .shortage: "shortage"
        }
    }
}
