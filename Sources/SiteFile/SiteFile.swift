package import Snapshot
package import TLS

/// The site file: YAML text in, a checked snapshot or every problem out.
package struct SiteFile {
    /// - Parameters:
    ///   - text: The whole file.
    ///   - file: The name that diagnostics carry, and whose directory the paths of error pages are relative to; it
    ///     is not opened itself.
    ///   - revision: The snapshot's revision.
    ///   - resolver: Asked for host names in addresses; blocks.
    /// - Throws: Every problem of the file, in its order.
    package static func compile(
        text: String, file: String, revision: UInt64, resolver: any EndpointResolver = SystemResolver()
    ) throws(ConfigurationError) -> CompiledSite {
        let diagnostics = DiagnosticList(file: file)
        let root = YAMLReader.read(text, diagnostics)
        return try compile(root, file, revision, resolver, diagnostics)
    }

    /// The same for bytes that may not be UTF-8, as they come from a file or a request.
    package static func compile(
        bytes: [UInt8], file: String, revision: UInt64, resolver: any EndpointResolver = SystemResolver()
    ) throws(ConfigurationError) -> CompiledSite {
        let diagnostics = DiagnosticList(file: file)
        let root = SourceText.decode(bytes, diagnostics).flatMap { YAMLReader.read($0, diagnostics) }
        return try compile(root, file, revision, resolver, diagnostics)
    }

    private static func compile(
        _ root: YAMLNode?, _ file: String, _ revision: UInt64, _ resolver: any EndpointResolver,
        _ diagnostics: DiagnosticList
    ) throws(ConfigurationError) -> CompiledSite {
        if let root {
            let compiler = SiteCompiler(diagnostics, NameCache(resolver), NamedFiles(siteFile: file))
            let snapshot = compiler.compile(root, revision: revision)
            if diagnostics.errorCount == 0 {
                return CompiledSite(
                    snapshot: snapshot, warnings: diagnostics.inFileOrder, names: compiler.siteNames,
                    staples: compiler.staples)
            }
        }
        throw ConfigurationError(diagnostics: diagnostics.inFileOrder)
    }

    /// The text of a site with one http listener and one pool: what `sluice run --listen … --to …` runs.
    ///
    /// The values are not checked here: `compile` reports what is wrong with them.
    package static func commandLine(listen: [String], to endpoints: [String]) -> String {
        func list(_ values: [String]) -> String { "[" + values.map(doubleQuoted).joined(separator: ", ") + "]" }
        return """
            listeners:
              web: {address: \(list(listen))}
            routes:
              - to: app
            pools:
              app: {endpoints: \(list(endpoints))}

            """
    }

    /// A YAML double-quoted scalar (YAML 1.2 §7.3.1).
    private static func doubleQuoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": out += "\\\(scalar)"
            case _ where scalar.value < 0x20 || scalar.value == 0x7f:
                out += "\\x" + String(scalar.value, radix: 16).leftPadded(to: 2)
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}

/// A site file without errors.
package struct CompiledSite: Sendable {
    package let snapshot: Snapshot
    /// In file order.
    package let warnings: [Diagnostic]
    package let names: SiteNames
    /// `ocsp: fetch`: the snapshot has no responses for these.
    package let staples: [FetchedStaple]
}

/// A certificate of a listener whose OCSP response is to be fetched.
package struct FetchedStaple: Equatable, Sendable {
    package var listener: String
    /// Its place among the listener's certificates.
    package var certificate: Int
    package var question: OCSPQuestion

    package init(listener: String, certificate: Int, question: OCSPQuestion) {
        self.listener = listener
        self.certificate = certificate
        self.question = question
    }
}
