import Foundation
import Synchronization

/// Several "hosts" on this machine: network namespaces, each joined by a veth pair to one bridge (itself in a namespace).
///
/// The file system is shared. Nothing of it can be seen from the machine's own network. Needs root.
package final class Network: Sendable {
    /// One namespace with one address.
    package struct Host: Sendable {
        package let namespace: String
        package let address: String
        /// What runs a command on this host: `ip netns exec …`.
        package var prefix: [String] { ["ip", "netns", "exec", namespace] }
    }

    /// Why namespaces can't be made here; nil when they can.
    package static let obstacle: String? = {
        guard geteuid() == 0 else { return "network namespaces need root" }
        let probe = "sluice-\(getpid())-probe"
        guard let made = try? Command.run(["ip", "netns", "add", probe]) else { return "iproute2 is not installed" }
        guard made.exitCode == 0 else { return "ip netns add: \(made.errors)" }
        _ = try? Command.run(["ip", "netns", "delete", probe])
        return nil
    }()

    /// The block that all hosts have addresses of.
    package static let block = "10.77.0.0/24"
    private static let serial = Mutex(0)
    private let hosts: [String: Host]
    private let namespaces: [String]

    /// - Parameter names: One host each, with the addresses 10.77.0.1, .2, …
    /// - Throws: `TestKitError` with the message of `ip`.
    package init(_ names: [String]) throws {
        Network.removeLeftovers()
        let serial = Network.serial.withLock { serial in
            serial += 1
            return serial
        }
        let stem = "sluice-\(getpid())-\(serial)"
        let bridge = "\(stem)-bridge"
        var hosts: [String: Host] = [:]
        for (index, name) in names.enumerated() {
            hosts[name] = Host(namespace: "\(stem)-\(name)", address: "10.77.0.\(index + 1)")
        }
        self.hosts = hosts
        namespaces = [bridge] + hosts.values.map(\.namespace)
        do {
            for namespace in namespaces {
                try Command.succeed(["ip", "netns", "add", namespace])
                try Command.succeed(["ip", "-n", namespace, "link", "set", "lo", "up"])
            }
            try Command.succeed(["ip", "-n", bridge, "link", "add", "br0", "type", "bridge"])
            try Command.succeed(["ip", "-n", bridge, "link", "set", "br0", "up"])
            for (index, name) in names.enumerated() {
                try Network.join(hosts[name]!, to: bridge, port: "port\(index)")
            }
        } catch {
            for namespace in namespaces { _ = try? Command.run(["ip", "netns", "delete", namespace]) }
            throw error
        }
    }

    deinit { remove() }

    package subscript(name: String) -> Host {
        guard let host = hosts[name] else { preconditionFailure("no host named \(name)") }
        return host
    }

    /// Takes the namespaces away; processes that still run in them lose their network.
    package func remove() {
        for namespace in namespaces { _ = try? Command.run(["ip", "netns", "delete", namespace]) }
    }

    private static func join(_ host: Host, to bridge: String, port: String) throws {
        try Command.succeed([
            "ip", "link", "add", "name", "eth0", "netns", host.namespace, "type", "veth",
            "peer", "name", port, "netns", bridge,
        ])
        try Command.succeed(["ip", "-n", bridge, "link", "set", port, "master", "br0", "up"])
        try Command.succeed(["ip", "-n", host.namespace, "address", "add", "\(host.address)/24", "dev", "eth0"])
        try Command.succeed(["ip", "-n", host.namespace, "link", "set", "eth0", "up"])
    }

    /// Deletes namespaces of test processes that were killed before they could.
    private static func removeLeftovers() {
        guard let list = try? Command.run(["ip", "netns", "list"]).text else { return }
        for line in list.split(separator: "\n") {
            let name = line.prefix { $0 != " " }
            let parts = name.split(separator: "-")
            guard parts.count >= 3, parts[0] == "sluice", let owner = pid_t(parts[1]), kill(owner, 0) != 0 else {
                continue
            }
            _ = try? Command.run(["ip", "netns", "delete", String(name)])
        }
    }
}
