import ArgumentParser
import ControlPlane
import Glibc
import SiteFile

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a site on this machine: control plane, forwarder and proxy nodes.",
        discussion: """
            Prints one line, "ready: …", on standard output once clients can be served; logs go to standard error.
            SIGTERM drains and stops, a second one stops at once; SIGHUP reads the site file and the certificates that it
            names again; SIGUSR1 opens the file of the access log anew.

            EXAMPLES:
              sluice run site.yaml
              sluice run --listen :8080 --to 127.0.0.1:9001 --to 127.0.0.1:9002
              sluice run site.yaml --state /tmp/site --socket /tmp/site/control.sock

            Without SITE and --listen the newest revision in the state is run.
            """)

    @Argument(help: ArgumentHelp("The site file.", valueName: "site"), completion: .file(extensions: ["yaml", "yml"]))
    var site: String?

    @Option(
        help: ArgumentHelp("Without a site file: an address for HTTP clients; may be repeated.", valueName: "address"))
    var listen: [String] = []

    @Option(help: ArgumentHelp("Without a site file: an endpoint, host:port; may be repeated.", valueName: "endpoint"))
    var to: [String] = []

    @OptionGroup var state: StateOption
    @OptionGroup var socket: SocketOption

    func validate() throws {
        if site != nil, !listen.isEmpty || !to.isEmpty {
            throw ValidationError("Give either a SITE file or --listen and --to, not both.")
        }
        if listen.isEmpty != to.isEmpty { throw ValidationError("--listen and --to go together.") }
    }

    func run() async throws {
        let source: ControlPlane.Options.Site =
            if let site { .file(site) } else if listen.isEmpty { .stored } else {
                .text(SiteFile.commandLine(listen: listen, to: to))
            }
        do {
            try await ControlPlane(.init(site: source, state: state.path, socket: socket.path)).run()
        } catch let error as ConfigurationError {
            Diagnostics.print(error.diagnostics)
            throw ExitCode(1)
        } catch let error as ControlError {
            if case .invalid(_, let diagnostics) = error { Diagnostics.print(diagnostics) }
            throw CommandFailure(error.message)
        } catch let error as StartError {
            throw CommandFailure(error.description)
        }
        // Connections of operators' tools may be open still; they don't hold the process.
        Glibc.exit(0)
    }
}

/// `sluice proxy`: replaces this process by `sluice-node proxy`.
struct ProxyNode: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proxy",
        abstract: "Run one proxy node that a forwarder reaches over TCP.",
        discussion: """
            For a node in another network namespace or on a host that reaches the control plane's link socket
            (<state>/run/link.sock). The forwarder relays connections to --address with PROXY protocol v2; only peers
            in --forwarders may connect there.

            EXAMPLES:
              sluice proxy --link /var/lib/sluice/run/link.sock --id edge-2 --state /var/lib/sluice-edge-2 \\
                --address 10.0.0.2:7001 --forwarders 10.0.0.1/32
            """)

    @Option(help: ArgumentHelp("The control plane's socket for nodes.", valueName: "path"), completion: .file())
    var link: String

    @Option(help: ArgumentHelp("The node's name, unique within the site.", valueName: "name"))
    var id: String

    @Option(help: ArgumentHelp("Where the node keeps its last snapshot.", valueName: "dir"), completion: .directory)
    var state: String

    @Option(help: ArgumentHelp("Where it takes connections from forwarders.", valueName: "host:port"))
    var address: String

    @Option(help: ArgumentHelp("Whose connections it takes there; may be repeated.", valueName: "cidr"))
    var forwarders: [String]

    @Option(help: ArgumentHelp("Event loops, each on its own thread.", valueName: "n"))
    var workers: Int = 1

    @Option(help: ArgumentHelp("Where it stands: endpoints of the same zone are preferred.", valueName: "name"))
    var zone: String?

    func validate() throws {
        guard (1...256).contains(workers) else { throw ValidationError("--workers must be from 1 to 256.") }
        guard !forwarders.isEmpty else { throw ValidationError("Give at least one --forwarders CIDR.") }
        guard !id.isEmpty, !id.contains("/"), !id.hasPrefix(".") else {
            throw ValidationError("--id must be a name without a slash.")
        }
    }

    func run() throws {
        let executable = ProcessLauncher.nodeExecutable()
        var command = [executable, "proxy", "--id", id, "--state", state, "--link", link, "--workers", "\(workers)"]
        command += ["--address", address]
        for block in forwarders { command += ["--forwarders", block] }
        if let zone { command += ["--zone", zone] }
        var arguments = command.map { strdup($0) } + [nil]
        execv(executable, &arguments)
        throw CommandFailure("cannot run \(executable): \(String(cString: strerror(errno)))")
    }
}
