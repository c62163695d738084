import ArgumentParser
import ControlPlane
import Foundation
import NIOHTTP1
import SiteFile

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a site file: every problem, with its place.",
        discussion: """
            Needs no control plane. Exit status 0 when the file can be applied (warnings may be printed), else 1.

            EXAMPLES:
              sluice check site.yaml
              sluice check site.yaml --json
            """)

    @Argument(help: ArgumentHelp("The site file.", valueName: "site"), completion: .file(extensions: ["yaml", "yml"]))
    var site: String

    @OptionGroup var json: JSONOption
    /// Every command takes `--socket`; this one asks nobody.
    @OptionGroup var socket: SocketOption

    func run() async throws {
        let diagnostics: [Diagnostic]
        var isValid = true
        do {
            let source = try Controller.Source(readingFile: site)
            diagnostics = try SiteFile.compile(text: source.text, file: source.file, revision: 0).warnings
        } catch let error as ConfigurationError {
            isValid = false
            diagnostics = error.diagnostics
        } catch let error as StartError {
            throw CommandFailure(error.description)
        }
        if json.isWanted {
            let document = CheckDocument(valid: isValid, diagnostics: diagnostics.map(DiagnosticDocument.init))
            Output.line(String(decoding: try APIHandler.encoder.encode(document), as: UTF8.self))
        } else {
            Diagnostics.print(diagnostics)
            if isValid { Output.line("\(site): ok") }
        }
        if !isValid { throw ExitCode(1) }
    }
}

/// What `check --json` prints.
private struct CheckDocument: Encodable {
    var valid: Bool
    var diagnostics: [DiagnosticDocument]
}

struct Apply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Publish a site file as the next revision, or change nothing.",
        discussion: """
            Listeners, routes and pools that stay the same keep their connections.

            EXAMPLES:
              sluice apply site.yaml --dry-run
              sluice apply site.yaml --comment "two more endpoints"
            """)

    @Argument(help: ArgumentHelp("The site file.", valueName: "site"), completion: .file(extensions: ["yaml", "yml"]))
    var site: String

    @Flag(help: "Let the control plane check the file, and change nothing.")
    var dryRun = false

    @Option(help: ArgumentHelp("Why, for those who read the revisions.", valueName: "text"))
    var comment: String?

    @OptionGroup var json: JSONOption
    @OptionGroup var socket: SocketOption

    func run() async throws {
        let body: [UInt8]
        do {
            body = Array(try Data(contentsOf: URL(fileURLWithPath: site)))
        } catch {
            throw CommandFailure("cannot read \(site): \(String(cString: strerror(errno)))")
        }
        var target = "/v1/revisions?file=\(PercentEncoding.encode(site))"
        if dryRun { target += "&dry_run=true" }
        if let comment { target += "&comment=\(PercentEncoding.encode(comment))" }
        let client = socket.client
        let answer = try await client.send(.POST, target, body: body)
        if json.isWanted {
            Output.line(String(decoding: answer.body, as: UTF8.self))
            if !answer.isSuccess { throw ExitCode(1) }
            return
        }
        guard answer.isSuccess else {
            let failure = client.failure(of: answer).error
            Diagnostics.print(failure.diagnostics)
            throw CommandFailure(failure.message)
        }
        let document = try client.decode(RevisionDocument.self, answer)
        Diagnostics.print(document.warnings)
        Output.line(
            document.dryRun
                ? "\(site): ok, would become revision \(document.revision)"
                : "revision \(document.revision) applied, digest \(document.digest)")
    }
}

enum Diagnostics {
    /// On standard error, as compilers print them.
    static func print(_ diagnostics: [Diagnostic]) {
        for diagnostic in diagnostics { LineLog.write("\(diagnostic)\n", to: STDERR_FILENO) }
    }

    static func print(_ diagnostics: [DiagnosticDocument]) {
        for item in diagnostics {
            LineLog.write(
                "\(item.file):\(item.line):\(item.column): \(item.severity): \(item.message)\n"
                    + (item.hint.map { "  hint: \($0)\n" } ?? ""), to: STDERR_FILENO)
        }
    }
}
