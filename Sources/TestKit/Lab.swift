import Foundation
import Synchronization

/// Everything that one test starts; taken down in reverse order at its end, however it ends.
///
/// Without an owner, Swift would release an endpoint after its last use in the test, which may be before the test's end.
package final class Lab {
    private var teardowns: [() -> Void] = []
    private var sites: [Site] = []
    private var remotes: [RemoteNode] = []

    private init() {}

    /// Runs `body`; when it throws, the logs of its sites are printed.
    package static func run(_ body: (Lab) throws -> Void) throws {
        let lab = Lab()
        defer {
            if ProcessInfo.processInfo.environment["SLUICE_TEST_LOGS"] != nil { lab.printLogs() }
            for teardown in lab.teardowns.reversed() { teardown() }
        }
        do {
            try body(lab)
        } catch {
            lab.printLogs()
            throw error
        }
    }

    /// Prints what the processes under test wrote to standard error.
    package func printLogs() {
        for site in sites where !site.log.isEmpty { print("log of \(site.file):\n\(site.log)") }
        for remote in remotes where !remote.log.isEmpty { print("log of \(remote.id):\n\(remote.log)") }
    }

    package func nginx(_ name: String, port: UInt16? = nil, on host: Network.Host? = nil) throws -> NginxEndpoint {
        let endpoint = try NginxEndpoint(name, port: port, network: host)
        teardowns.append { endpoint.kill() }
        return endpoint
    }

    package func scripted(
        _ name: String = "scripted", port: UInt16? = nil,
        serve: @escaping @Sendable (ScriptedConnection) throws -> Void
    ) throws -> ScriptedEndpoint {
        let endpoint = try ScriptedEndpoint(name, port: port, serve: serve)
        teardowns.append { endpoint.stop() }
        return endpoint
    }

    package func http(
        _ name: String = "app", host: String = "127.0.0.1", port: UInt16? = nil,
        answer: (@Sendable (ReceivedRequest) throws -> EndpointAnswer)? = nil
    ) throws -> HTTPEndpoint {
        let endpoint = try HTTPEndpoint(name, host: host, port: port, answer: answer)
        teardowns.append { endpoint.stop() }
        return endpoint
    }

    package func counting(holding: Bool = false, failing: Bool = false, delay: Duration = .zero) throws
        -> CountingEndpoint
    {
        let endpoint = try CountingEndpoint(holding: holding, failing: failing, delay: delay)
        teardowns.append { endpoint.stop() }
        return endpoint
    }

    /// Answers one request at a time, over all of its connections.
    package func serial(_ each: Duration) throws -> ScriptedEndpoint {
        let turn = Mutex(())
        return try scripted("serial") { connection in
            let reader = HTTPReader(connection.socket)
            while try reader.head() != nil {
                turn.withLock { _ in pause(each) }
                try connection.socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            }
        }
    }

    package func grpc(
        _ name: String, health: [String: GRPCEndpoint.Status]?, certificate: (chain: String, key: String)? = nil
    ) throws -> GRPCEndpoint {
        let endpoint = try GRPCEndpoint(name, health: health, certificate: certificate)
        teardowns.append { endpoint.stop() }
        return endpoint
    }

    package func digest() throws -> DigestEndpoint {
        let endpoint = try DigestEndpoint()
        teardowns.append { endpoint.stop() }
        return endpoint
    }

    /// Writes a site file; starts the site unless told not to.
    ///
    /// - Parameter hosts: What the site's processes find in `/etc/hosts`; nil for the host's own.
    package func site(
        _ yaml: String, on host: Network.Host? = nil, hosts: String? = nil, start: Bool = true
    ) throws -> Site {
        let site = try Site(yaml, on: host, hosts: hosts)
        sites.append(site)
        teardowns.append { site.killFamily() }
        if start { try site.start() }
        return site
    }

    package func network(_ hosts: [String]) throws -> Network {
        let network = try Network(hosts)
        teardowns.append { network.remove() }
        return network
    }

    package func remoteNode(
        _ id: String, of site: Site, on host: Network.Host? = nil, forwarders: String = Network.block
    ) throws -> RemoteNode {
        let node = try RemoteNode(id, link: site.link, forwarders: forwarders, on: host)
        remotes.append(node)
        teardowns.append { node.kill() }
        return node
    }

    /// Load that is stopped with the test, if the test does not stop it itself.
    package func load(
        _ port: UInt16, target: String = "/", connections: Int = 8, requestsPerConnection: Int? = nil,
        expecting: String? = nil
    ) -> KeepAliveLoad {
        let load = KeepAliveLoad(
            port, target: target, connections: connections, requestsPerConnection: requestsPerConnection,
            expecting: expecting)
        teardowns.append { _ = try? load.stop() }
        return load
    }
}
