import EventLoop
import NodeAgent
import Snapshot

/// What the agent's thread tells a worker.
enum ForwarderCommand: Sendable {
    case serve(WorkerSettings)
    /// `acknowledge`: the membership is new and the agent waits to hear that it is in force.
    case route(NodeTable, drainingEndpoints: Set<EndpointKey>, acknowledge: Bool)
    case health(EndpointKey, isUp: Bool)
    case report(id: UInt64)
    case drain
    case resume([ListenerAssignment])
    /// Closes everything and ends the thread.
    case stop
}

/// What a worker needs of a snapshot.
struct WorkerSettings: Sendable {
    /// All listeners; the worker closes those that it has and that aren't named.
    var listeners: [ListenerAssignment]
    /// Those that `tcp` listeners and routes of `tls-passthrough` listeners name.
    var pools: [Pool]
    var hash: ForwarderSettings.HashInput
}

/// One listening socket of one worker.
struct ListenerAssignment: Sendable {
    /// Of the socket; kept as long as it is open.
    var id: UInt64
    /// Owned by the worker from the first assignment on.
    var descriptor: CInt
    var name: String
    /// As bound: the port is never 0.
    var address: IPEndpoint
    /// The pool of a `tcp` listener.
    var pool: String?
    /// Where clients of a `tls-passthrough` listener go.
    var hellos: HelloTable?
    /// The kernel holds connections back until their first bytes are there.
    var deferAccept: Bool
    var bounds: ListenerBounds
}
