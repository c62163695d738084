import ArgumentParser
import ControlPlane
import Glibc

/// `sluice`: the operators' commands and the control plane.
@main
struct Sluice: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sluice",
        abstract: "A two-tier load balancer: a forwarder spreads connections over proxy nodes.",
        discussion: """
            EXAMPLES:
              sluice run --listen :8080 --to 127.0.0.1:9001 --to 127.0.0.1:9002
              sluice check site.yaml && sluice run site.yaml
              sluice apply site.yaml --comment "two more endpoints"
              sluice pools
              sluice explain GET http://shop.example/api/items
              sluice drain app/127.0.0.1:9001
              sluice scale 4

            A shell completion script: sluice --generate-completion-script bash|zsh|fish

            Exit status: 0 done, 1 failed, 2 wrong usage.
            """,
        version: "sluice \(Version.text)",
        groupedSubcommands: [
            CommandGroup(name: "Serve", subcommands: [Run.self, ProxyNode.self]),
            CommandGroup(
                name: "Change", subcommands: [Check.self, Plan.self, Apply.self, Drain.self, Resume.self, Scale.self]),
            CommandGroup(
                name: "Look",
                subcommands: [
                    Status.self, Nodes.self, Pools.self, Listeners.self, Routes.self, Explain.self, ShowVersion.self,
                ]),
        ])

    static func main() async {
        do {
            var command = try parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            Output.error(failure.message)
            Glibc.exit(1)
        } catch {
            let code = exitCode(for: error)
            guard code == .validationFailure else { exit(withError: error) }
            // The parser's own status for wrong usage is 64 (sysexits.h); ours is 2.
            LineLog.write("\(fullMessage(for: error))\n", to: STDERR_FILENO)
            Glibc.exit(2)
        }
    }

    /// Those of the process. A command that doesn't exist stands alone: with `--help` behind it the parser would answer with
    /// the help of `sluice`, as if all were well.
    private static var arguments: [String] {
        let all = Array(CommandLine.arguments.dropFirst())
        let names = configuration.groupedSubcommands.flatMap { $0.subcommands }.map { $0._commandName } + ["help"]
        guard let first = all.first, !first.hasPrefix("-"), !names.contains(first) else { return all }
        return [first]
    }
}

/// Ends a command with status 1.
struct CommandFailure: Error {
    let message: String

    init(_ message: String) { self.message = message }
}

enum Output {
    static func line(_ text: String) { LineLog.write("\(text)\n", to: STDOUT_FILENO) }

    static func error(_ message: String) { LineLog.write("error: \(message)\n", to: STDERR_FILENO) }
}
