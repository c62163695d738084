import EventLoop
import Forwarder
import Glibc
import NodeAgent
import NodeLink
import Proxy
import Telemetry

/// Starts the role that the command line names and runs its agent. Exit status: 0 ended as told, 1 failed, 2 wrong usage.
func runNode(_ arguments: NodeArguments) -> CInt {
    NodeProcess.raiseDescriptorLimit()
    do {
        // Before the role starts its threads: they inherit the signal mask.
        let signals = try Signals()
        let mailbox = AgentMailbox()
        let role = try makeRole(arguments, mailbox)
        let agent = try NodeAgent(
            id: arguments.id, state: arguments.state, linkPath: arguments.link, role: role, mailbox: mailbox,
            signals: signals)
        return agent.run()
    } catch let error as RoleError {
        Log.error("node", "\(arguments.id): \(error.message)")
    } catch {
        Log.error("node", "\(arguments.id): \(error)")
    }
    return 1
}

func makeRole(_ arguments: NodeArguments, _ mailbox: AgentMailbox) throws -> any DataRole {
    switch arguments.role {
    case .forwarder: return try ForwarderRole(workers: arguments.workers, mailbox: mailbox)
    case .proxy:
        if arguments.handOverPrefix != nil { try FileSystem.makeDirectory(arguments.runDirectory) }
        return try ProxyRole(
            workers: arguments.workers, mailbox: mailbox, handOverPrefix: arguments.handOverPrefix,
            address: arguments.address, forwarders: arguments.forwarders,
            identity: NodeIdentity(
                id: arguments.id, zone: arguments.zone, isLocal: arguments.address?.isLoopback ?? true))
    }
}

do throws(NodeArguments.UsageError) {
    switch try NodeArguments.parse(Array(CommandLine.arguments.dropFirst())) {
    case .help: print(NodeArguments.help, terminator: "")
    case .version: print("sluice-node \(NodeProcess.version)")
    // Workers may still run: no destructors, no exit handlers.
    case .run(let arguments): _exit(runNode(arguments))
    }
} catch {
    NodeProcess.complain("\(error.message) (--help shows the usage)")
    exit(2)
}
