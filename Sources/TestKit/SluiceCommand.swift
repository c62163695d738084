/// The operators' commands against one control plane.
package struct SluiceCommand: Sendable {
    package let socket: String

    package init(socket: String) {
        self.socket = socket
    }

    /// Runs `sluice ARGUMENTS --socket PATH`.
    package func run(_ arguments: [String], within: Duration = .seconds(20)) throws -> CommandResult {
        try Command.run([Binaries.sluice()] + arguments + ["--socket", socket], within: within)
    }

    /// Runs a command that has to succeed; answers its standard output.
    @discardableResult
    package func succeed(_ arguments: [String], within: Duration = .seconds(20)) throws -> String {
        let result = try run(arguments, within: within)
        guard result.exitCode == 0 else { throw TestKitError("\(result)") }
        return result.text
    }

    /// What a reading command answers with `--json`.
    package func json(_ arguments: [String]) throws -> JSON {
        let result = try run(arguments + ["--json"])
        guard result.exitCode == 0 else { throw TestKitError("\(result)") }
        return try JSON.parse(result.output)
    }
}
