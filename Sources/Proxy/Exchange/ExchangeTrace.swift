import HTTPMessage
import Telemetry

/// What the access log needs of an exchange that nothing else keeps. Written with and without a log: a store is cheaper
/// than a question.
struct ExchangeTrace: BitwiseCopyable {
    /// The endpoint tried last; stays when the exchange has left it.
    var endpoint = EndpointConnection.none
    var termination = Termination.unknown
    /// When the attempt began, and when the whole request had been sent; 0: not yet.
    var attemptBeganAt: UInt64 = 0
    var sentAt: UInt64 = 0
    var connectBeganAt: UInt64 = 0
    /// Of the last new connection, nanoseconds.
    var connectTime = AccessRecord.never
    /// When the head of the endpoint's answer came; 0: not yet.
    var headAt: UInt64 = 0
    /// Heads that went to the client, and the body of an answer of our own.
    var headBytesOut = 0
    var ownBodyBytesOut = 0
    /// Only with a log.
    var fields = LoggedFields()

    /// An attempt at an endpoint begins: what the one before met is forgotten.
    mutating func begin(at endpoint: UInt32, now: UInt64) {
        self.endpoint = endpoint
        attemptBeganAt = now
        sentAt = 0
        termination = .unknown
        connectTime = AccessRecord.never
    }

    mutating func fail(_ failure: ProxyWorker.AttemptFailure) {
        switch failure {
        case .connect(status: 504): termination = .connectTimeout
        case .shortage: termination = .overload
        case .connect: termination = .connectFailed
        case .unsent, .broken, .passedOver, .refused: termination = .endpointReset
        case .malformed: termination = .endpointMalformed
        case .responseTimeout: termination = .endpointTimeout
        }
    }

    /// Both sides are closed with the answer incomplete.
    mutating func cut(status: Int) {
        if termination == .unknown { termination = status == 499 ? .clientGone : .overload }
    }
}

/// Where values lie that only the log is interested in: the field table belongs to another head when the line is made.
struct LoggedFields: BitwiseCopyable {
    /// Offset and length in the request's head; no bytes: not there, or empty.
    struct Place: BitwiseCopyable {
        var start: UInt16 = 0
        var count: UInt16 = 0
    }
    var userAgent = Place()
    var referer = Place()
    var forwardedFor = Place()

    init() {}

    /// The first field of each name.
    init(_ fields: borrowing FieldTable, _ received: UnsafePointer<UInt8>) {
        for index in 0..<fields.count {
            let field = fields[index]
            let place = Place(start: field.valueStart, count: field.valueLength)
            switch field.id {
            case .xForwardedFor: if forwardedFor.count == 0 { forwardedFor = place }
            case .other where field.nameLength == 10:
                let name = unsafe UnsafeBufferPointer(start: received + Int(field.nameStart), count: 10)
                if userAgent.count == 0, unsafe name.matches("user-agent") { userAgent = place }
            case .other where field.nameLength == 7:
                let name = unsafe UnsafeBufferPointer(start: received + Int(field.nameStart), count: 7)
                if referer.count == 0, unsafe name.matches("referer") { referer = place }
            default: break
            }
        }
    }
}
