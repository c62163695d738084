import EventLoop
import HTTP1
import HTTPMessage

/// One request and its response, between a client side and an endpoint side. A plain value in a slab, taken when a
/// request's head is complete and given back when the response has been passed on.
@safe
struct Exchange: BitwiseCopyable {
    enum Stage: UInt8, BitwiseCopyable {
        /// Waiting for the connection to the endpoint.
        case connecting
        /// The request's head is on its way (its body may be), no response head yet.
        case awaitingHead
        /// The response's head is on its way to the client; its body follows.
        case relaying
    }
    /// Calls from a queue to endpoints of another site, after which a request is given up.
    static let callsMax: UInt8 = 3

    var slot: UInt32 = 0
    var client: UInt32
    var connection = EndpointConnection.none
    var stage: Stage = .connecting
    /// The site that the request began with.
    var site: UnsafeMutablePointer<WorkerSite>
    /// The site's, for the listener.
    let limits: UnsafePointer<ClientLimits>
    /// Index into the site's routes, and of its listener.
    var route: Int32
    var listener: Int32
    var series: UInt32
    var head: RequestHead
    var id: RequestID
    var startedAt: UInt64
    var origin: RequestOrigin
    /// Index of the pool whose request limits count it; `notAdmitted` for none.
    var admittedPool = Exchange.notAdmitted
    static let notAdmitted: Int32 = -1
    /// For an answer of our own that asks the client to come back; 0 for none.
    var retryAfterSeconds: UInt8 = 0
    /// Index into the site's pools: the one that answers, once the first attempt has begun.
    var pool = 0
    var attempts: UInt8 = 0
    /// The number of the endpoint in use; `EndpointConnection.none` when none is.
    var endpoint = EndpointConnection.none
    /// What its pool reads in the request: see `RequestAffinity`.
    var affinity = RequestAffinity()
    /// Where it waits for a connection, or for another attempt; `.none` when it doesn't wait.
    var place = RequestQueue.Place.none
    var retry = RetryState()
    var hedge = HedgeState()
    /// A connection broke: the next attempt makes a new one.
    var needsFreshConnection = false
    /// An interim response was passed on: the request is not sent again.
    var hasSentInterim = false
    /// 1xx responses that have come.
    var interimCount: UInt8 = 0
    /// What the client gets when no attempt is left.
    var failureStatus = 502

    var request: BodyProgress
    /// Offset in the client's input of the first byte behind the head that isn't passed on.
    var bodyOffset: Int
    var response = BodyProgress(.none)
    var requestPipe = Pipe()
    var responsePipe = Pipe()
    var requestPace = Pace()
    var responsePace = Pace()
    /// It stands in the worker's paced list.
    var isInPacedList = false
    /// Something of a response has been sent: the exchange can't be answered otherwise any more.
    var hasAnswered = false
    /// Bodies go through memory of this process, and not by splice: a side isn't a plain socket, or messages are small.
    var isCopied = false
    /// The endpoint has switched protocols: bytes go both ways until one side closes.
    var isTunnel = false
    /// The copy that its body is gathered for; `Mirror.none` when there is none, or it has all of it.
    var mirror = Mirror.none
    /// The client keeps its connection afterwards.
    var clientPersists: Bool
    /// The endpoint keeps its connection afterwards.
    var endpointPersists = false
    var status = 0
    var trace = ExchangeTrace()

    init(
        client: UInt32, site: UnsafeMutablePointer<WorkerSite>, limits: UnsafePointer<ClientLimits>, route: Int32,
        listener: Int32, series: UInt32,
        head: RequestHead, id: RequestID, startedAt: UInt64, origin: RequestOrigin
    ) {
        self.client = client
        unsafe self.site = unsafe site
        unsafe self.limits = unsafe limits
        self.route = route
        self.listener = listener
        self.series = series
        self.head = head
        self.id = id
        self.startedAt = startedAt
        self.origin = origin
        request = BodyProgress(head.framing)
        bodyOffset = head.length
        clientPersists = head.isPersistent
    }

    /// The whole request has been passed on: nothing of its body is still to come or in the pipe.
    var hasSentRequest: Bool { request.isComplete && requestPipe.count == 0 }
}
