package import NodeLink

/// Starts local nodes and finds those that a former control plane left running.
package protocol NodeLauncher: Sendable {
    /// - Parameters:
    ///   - relays: A proxy takes relayed connections on a loopback port instead of handed-over sockets.
    ///   - onExit: Called once, when the process has ended.
    /// - Throws: `StartError`.
    func launch(
        id: String, role: Hello.Role, workers: Int, relays: Bool, onExit: @escaping @Sendable (ExitReason) -> Void
    ) throws(StartError) -> any NodeProcess

    /// The node that the pid file names, when that process is alive and is this node of this state.
    func adopt(id: String, onExit: @escaping @Sendable (ExitReason) -> Void) -> (any NodeProcess)?

    /// Ids that have a pid file.
    func knownIDs() -> [String]

    /// The node is gone for good.
    func forget(id: String)
}

/// A running node.
package protocol NodeProcess: Sendable {
    var pid: Int32 { get }
    /// Sends a signal; does nothing once the process has ended.
    func signal(_ number: Int32)
}

/// How a node ended.
package enum ExitReason: Equatable, Sendable, CustomStringConvertible {
    case exited(Int32)
    case signalled(Int32)
    /// It was not our child.
    case unknown

    package var description: String {
        switch self {
        case .exited(let code): "exit status \(code)"
        case .signalled(let number): "signal \(number)"
        case .unknown: "status unknown"
        }
    }
}
