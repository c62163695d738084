import Pattern
import Snapshot

extension SiteCompiler {
    func compile(match reader: SectionReader) -> RouteMatch {
        var match = RouteMatch()
        match.hosts = hosts(of: reader)
        match.path = path(of: reader)
        if let methods = reader.read(MatchKeys.method) {
            match.methods = unique(methods, at: reader.mark(of: MatchKeys.method)) { $0 }
        }
        if reader.has(MatchKeys.alpn) {
            diagnostics.error(
                reader.mark(of: MatchKeys.alpn),
                "\(MatchKeys.alpn.name.quoted) is for routes of tls-passthrough listeners",
                hint: "what an https listener speaks is in its `tls.alpn`")
        }
        match.header = ConditionReader(.header, self).read(reader, MatchKeys.header)
        match.query = ConditionReader(.query, self).read(reader, MatchKeys.query)
        return match
    }

    func hosts(of reader: SectionReader) -> [HostPattern] {
        guard let hosts = reader.read(MatchKeys.host) else { return [] }
        return unique(hosts, at: reader.mark(of: MatchKeys.host)) { host in
            switch host {
            case .exact(let name): name
            case .suffix(let name): "*." + name
            }
        }
    }

    private func path(of reader: SectionReader) -> PathPattern? {
        guard let node = reader[node: MatchKeys.path] else { return nil }
        let field = Field(key: MatchKeys.path.name, diagnostics: diagnostics)
        switch node.content {
        case .map:
            let path = SectionReader(node, PathKeys.section, diagnostics)
            if path.has(PathKeys.prefix) && path.has(PathKeys.regex) {
                diagnostics.error(
                    path.mark(of: PathKeys.regex), "a path has \"prefix\" or \"regex\", not both",
                    hint: "write the prefix into the pattern")
            }
            if path.has(PathKeys.regex) { return pathRegex(path).map { .regex($0) } }
            if path.has(PathKeys.prefix) {
                guard let prefix = path.read(PathKeys.prefix) else { return nil }
                warnOfUnmatchable(prefix, isPrefix: true, path[node: PathKeys.prefix]?.mark ?? path.mark)
                return .prefix(prefix)
            }
            if !path.hasUnknown {
                diagnostics.error(
                    path.mark, "\"prefix\" or \"regex\" is missing", hint: "as in `path: {prefix: /api/}`")
            }
        case .scalar:
            guard let path = Form<String>.path.read(node, field) else { return nil }
            warnOfUnmatchable(path, isPrefix: false, node.mark)
            return .exact(path)
        case .list:
            field.refuse(
                node, takes: MatchKeys.path.form.phrase, hint: "write one route for each path, or {regex: \"/a|/b\"}")
        }
        return nil
    }

    private func warnOfUnmatchable(_ path: String, isPrefix: Bool, _ mark: YAMLNode.Mark) {
        guard let problem = MatchablePath.problem(of: path, isPrefix: isPrefix) else { return }
        diagnostics.warning(mark, "no request matches \(path.quoted): it \(problem.message)", hint: problem.hint)
    }

    private func pathRegex(_ reader: SectionReader) -> String? {
        guard let text = regex(reader, PathKeys.regex) else { return nil }
        let mark = reader[node: PathKeys.regex]?.mark ?? reader.mark
        guard text.utf8.allSatisfy({ $0 < 0x80 }) else {
            diagnostics.error(
                mark, "no path matches \(text.quoted): paths have ASCII only",
                hint: "other characters are percent-encoded, as clients send them")
            return nil
        }
        if let automaton = try? patterns.automaton(text), !automaton.canBegin(with: 0x2f) {
            diagnostics.error(mark, "no path matches \(text.quoted)", hint: "a path begins with a slash")
            return nil
        }
        return text
    }

    /// A regular expression that compiles; nil when the key is absent, or after an error was reported.
    func regex(_ reader: SectionReader, _ key: Key<String>) -> String? {
        guard let text = reader.read(key) else { return nil }
        do throws(PatternError) {
            _ = try patterns.automaton(text)
            return text
        } catch {
            diagnostics.error(
                reader[node: key]?.mark ?? reader.mark, "the pattern \(text.quoted) cannot be used: \(error.message)",
                hint: error.hint)
            return nil
        }
    }
}
