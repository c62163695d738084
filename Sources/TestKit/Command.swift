package import Foundation

/// What a finished command said.
package struct CommandResult: Sendable, CustomStringConvertible {
    package let command: [String]
    package let status: ExitStatus
    package let output: Data
    package let errors: String

    package var text: String { String(decoding: output, as: UTF8.self) }
    /// The exit code; 128 + the signal's number when a signal ended it, as a shell says it.
    package var exitCode: CInt {
        switch status {
        case .exited(let code): code
        case .signalled(let number): 128 + number
        }
    }

    package var description: String {
        "\(command.joined(separator: " ")): \(status)\n\(text)\(errors)"
    }
}

/// Runs one command to its end.
package enum Command {
    /// - Throws: `TestKitError` when it is still running at the deadline (it is killed then).
    @discardableResult
    package static func run(
        _ command: [String], input: Data? = nil, environment: [String: String] = [:],
        within: Duration = .seconds(30)
    ) throws -> CommandResult {
        let child = try ChildProcess(command, input: input, environment: environment)
        let status = try child.waitForExit(within: within)
        return CommandResult(
            command: command, status: status, output: child.outputBytes, errors: child.errorText)
    }

    /// Runs a command that has to succeed; answers what it wrote to standard output.
    ///
    /// - Throws: `TestKitError` with both outputs when the exit code is not 0.
    @discardableResult
    package static func succeed(_ command: [String], within: Duration = .seconds(30)) throws -> String {
        let result = try run(command, within: within)
        guard result.exitCode == 0 else { throw TestKitError("\(result)") }
        return result.text
    }
}
