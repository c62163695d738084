/// One of the two sockets of a relayed connection.
enum Side: UInt8, BitwiseCopyable {
    case client
    /// The node or endpoint.
    case server

    var opposite: Side { self == .client ? .server : .client }
}

/// The life of a relayed connection, without its sockets: inputs in, what to do out.
///
///     connecting ──connected──▶ relaying ──ended──▶ halfClosed(open) ──ended──▶ closed
///         │                        │                      │
///         └──connectFailed, broke, timedOut ──────────────┴───────────────────▶ closed
///
/// Nothing is read from the client while `connecting`, so a FIN it has sent meanwhile is found once relaying.
struct RelayLifecycle: BitwiseCopyable {
    enum State: Equatable, BitwiseCopyable {
        case connecting
        case relaying
        /// `open` may still send; the FIN of the other has been passed on.
        case halfClosed(open: Side)
        case closed
    }

    enum Action: Equatable, BitwiseCopyable {
        case none
        /// The client begins to be watched and read.
        case startRelaying
        /// The client has lost nothing: it goes to another target.
        case tryAnotherTarget
        /// FIN to that side.
        case shutdownWriting(Side)
        /// Close both sockets.
        case close
        /// Close both sockets, `Side` with RST.
        case reset(Side)
    }

    private(set) var state: State = .connecting

    /// The connect to the server side has worked.
    mutating func connected() -> Action {
        guard state == .connecting else { preconditionFailure("connected in \(state)") }
        state = .relaying
        return .startRelaying
    }

    /// A side has sent FIN, and everything before it has been passed on. Once per side.
    mutating func ended(_ side: Side) -> Action {
        switch state {
        case .relaying:
            state = .halfClosed(open: side.opposite)
            return .shutdownWriting(side.opposite)
        case .halfClosed(open: side):
            state = .closed
            return .close
        case .connecting, .halfClosed, .closed:
            preconditionFailure("FIN from \(side) in \(state)")
        }
    }

    /// A side has been reset, or can't be read or written any more. A failed connect comes here too.
    mutating func broke(_ side: Side) -> Action {
        switch state {
        case .connecting where side == .server:
            state = .closed
            return .tryAnotherTarget
        case .connecting, .relaying, .halfClosed:
            state = .closed
            return .reset(side.opposite)
        case .closed: preconditionFailure("\(side) broke in \(state)")
        }
    }

    /// Nothing has moved for as long as it may take.
    mutating func timedOut() -> Action {
        switch state {
        case .connecting:
            state = .closed
            return .tryAnotherTarget
        case .relaying, .halfClosed:
            state = .closed
            return .close
        case .closed: preconditionFailure("timed out in \(state)")
        }
    }
}
