import ArgumentParser
import ControlPlane
import Foundation

/// `--socket`: where the control plane answers.
struct SocketOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The control plane's Unix socket.",
            discussion: """
                Default: $SLUICE_SOCKET, else /run/sluice/control.sock for root, else \
                $XDG_RUNTIME_DIR/sluice/control.sock.
                """, valueName: "path"),
        completion: .file())
    var socket: String?

    var path: String {
        socket ?? DefaultPaths.socket(environment: ProcessInfo.processInfo.environment, uid: getuid())
    }

    var client: APIClient { APIClient(socket: path) }
}

/// `--json` of commands that read.
struct JSONOption: ParsableArguments {
    @Flag(name: .customLong("json"), help: "Print the API's JSON instead of a table.")
    var isWanted = false
}

/// `--state`: where the control plane keeps what must survive a restart.
struct StateOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Directory of the state.",
            discussion: "Default: /var/lib/sluice for root, else $XDG_STATE_HOME/sluice.", valueName: "dir"),
        completion: .directory)
    var state: String?

    var path: String {
        state ?? DefaultPaths.state(environment: ProcessInfo.processInfo.environment, uid: getuid())
    }
}
