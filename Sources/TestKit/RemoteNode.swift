package import Foundation

/// A proxy node that an operator starts on another host: it takes relayed connections by TCP.
package final class RemoteNode: Sendable {
    package let id: String
    package let address: String
    private let process: ChildProcess
    private let directory: TemporaryDirectory

    package var pid: pid_t { process.pid }
    package var log: String { process.errorText }

    /// - Parameters:
    ///   - link: The control plane's socket for nodes.
    ///   - forwarders: Who may relay to it: a CIDR block.
    ///   - host: The host it runs on; this one, on 127.0.0.1, when nil.
    package init(
        _ id: String, link: String, forwarders: String = Network.block, on host: Network.Host? = nil
    ) throws {
        self.id = id
        directory = try TemporaryDirectory()
        address = "\(host?.address ?? "127.0.0.1"):\(try Ports.unused())"
        process = try ChildProcess(
            (host?.prefix ?? []) + [
                try Binaries.sluiceNode(), "proxy", "--id", id, "--state", directory.path, "--link", link,
                "--address", address, "--forwarders", forwarders,
            ])
    }

    package func kill() {
        process.signal(SIGKILL)
        _ = try? process.waitForExit(within: .seconds(5))
    }
}
