import HTTP1
import HTTPMessage

/// Endpoints that a request has been tried at: another attempt goes elsewhere.
struct TriedEndpoints: BitwiseCopyable {
    /// As many as `attempts` allows, the last one excepted.
    private var numbers = SIMD4<UInt32>(repeating: EndpointConnection.none)
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    subscript(place: Int) -> UInt32 { numbers[place] }

    func contains(_ number: UInt32) -> Bool {
        for index in 0..<count where numbers[index] == number { return true }
        return false
    }

    /// Keeps the first four; an attempt after those has no successor.
    mutating func insert(_ number: UInt32) {
        guard count < SIMD4<UInt32>.scalarCount, !contains(number) else { return }
        numbers[count] = number
        count += 1
    }
}

/// What an exchange knows of its earlier attempts.
struct RetryState: BitwiseCopyable {
    static let noPool = UInt32.max

    var tried = TriedEndpoints()
    /// Why the attempt that begins next is made; counted when it does.
    var reason = RetryReason.none
    /// The pool whose budget has let it through; `noPool` for none.
    var pool = RetryState.noPool
    /// It waits for room in its pool's budget.
    var isHeldBack = false
    /// The request's body stays in the client's buffer until the response comes.
    var keepsBody = false
    /// Bytes of the request's body that were sent aren't there any more.
    var hasLostBody = false
    /// Times that it was passed over: no attempts at an endpoint either.
    var passedOver: UInt8 = 0
    /// As often at most. A connection may end again and again before it gets to a request that is the last of many.
    static let passedOverMax: UInt8 = 16
    /// It broke on a connection that had been idle: no attempt at the endpoint, as such a connection may have been closed all along.
    var wasStale = false
    /// When the attempt under way must have brought a response's head; `UInt64.max` for no bound.
    var deadline = UInt64.max
}

extension Exchange {
    /// The request can be sent once more: the endpoint may see it twice, and all that has come of it is still there.
    var isReplayable: Bool { head.method.isIdempotent && (head.framing == .none || retry.keepsBody) }

    /// It is replayable whatever comes. A body of unknown length may turn out too long to be kept.
    var staysReplayable: Bool { isReplayable && head.framing != .chunked }

    /// Attempts of which the endpoint may have heard.
    var countedAttempts: UInt8 { attempts - retry.passedOver - (retry.wasStale ? 1 : 0) }

    /// All that has come of it is still there.
    var isWhole: Bool { head.framing == .none || retry.keepsBody || !retry.hasLostBody }

    /// The next attempt sends the request from its first byte on.
    mutating func rewindRequest() {
        request = BodyProgress(head.framing)
        bodyOffset = head.length
    }
}
