import EventLoop
import Snapshot

@testable import SiteFile

/// The folder that a path of the repository names, found from this file.
func repositoryPath(_ relative: String, from file: String = #filePath) -> String {
    let root = file.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    return root + "/" + relative
}

/// Knows a few names and nothing of the network.
struct FixedResolver: EndpointResolver {
    private let known: [String: [String]] = [
        "localhost": ["127.0.0.1"],
        "app.test": ["192.0.2.10", "192.0.2.11", "2001:db8::10"],
        "one.test": ["192.0.2.10"],
    ]

    func addresses(of name: String) throws(ResolutionError) -> [IPEndpoint] {
        guard let addresses = known[name] else { throw ResolutionError(reason: "Name or service not known") }
        return addresses.map { IPEndpoint(host: $0, port: 0)! }
    }
}

func compile(
    _ text: String, file: String = "site.yaml", revision: UInt64 = 1
) throws(ConfigurationError) -> CompiledSite {
    try SiteFile.compile(text: text, file: file, revision: revision, resolver: FixedResolver())
}

/// What an operator sees of a file: its problems, or its warnings, or nothing.
func diagnostics(of text: String, file: String = "site.yaml") -> [Diagnostic] {
    do throws(ConfigurationError) {
        return try compile(text, file: file).warnings
    } catch {
        return error.diagnostics
    }
}
