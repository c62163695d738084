import HTTPMessage
import Snapshot

/// What a route does: `to`, `redirect` or `respond`.
extension SiteCompiler {
    func compile(action reader: SectionReader, into route: inout Route) {
        let stated = [RouteKeys.to, RouteKeys.redirect, RouteKeys.respond].filter { reader.has($0) }
        if stated.count > 1 {
            diagnostics.error(
                reader.mark(of: stated[1]), "a route has one of `to`, `redirect` and `respond`, not several",
                hint:
                    "remove \(stated.dropFirst().map { "`\($0.name)`" }.joined(separator: " and ")), or write two routes"
            )
        }
        if let redirect = reader.open(RouteKeys.redirect) {
            route.answer = compile(redirect: redirect)
        } else if let respond = reader.open(RouteKeys.respond) {
            route.answer = compile(respond: respond, into: &route.response)
        }
        guard reader.has(RouteKeys.redirect) || reader.has(RouteKeys.respond) else {
            route.targets = targets(of: reader)
            return
        }
        // A pool that is named beside them is used all the same: it is not what is wrong.
        if reader.has(RouteKeys.to) { _ = targets(of: reader) }
        for key in [RouteKeys.request, RouteKeys.timeout, RouteKeys.retry, RouteKeys.hedge] where reader.has(key) {
            diagnostics.warning(
                reader.mark(of: key), "\(key.name.quoted) has no effect here: the request goes to no endpoint",
                hint: "remove it")
        }
    }

    // MARK: to

    func targets(
        of reader: SectionReader, hint: String = "a route has `to`, `redirect` or `respond`; as in `to: app`"
    ) -> [WeightedPool] {
        guard let node = reader.require(RouteKeys.to, hint: hint) else {
            hasDanglingName = true
            return []
        }
        guard case .list(let nodes) = node.content else {
            guard let name = Form<String>.name.read(node, Field(key: RouteKeys.to.name, diagnostics: diagnostics))
            else {
                hasDanglingName = true
                return []
            }
            return pool(named: name, at: node.mark).map { [WeightedPool(pool: $0)] } ?? []
        }
        if nodes.isEmpty {
            diagnostics.error(node.mark, "\"to\" is an empty list", hint: "name at least one pool")
            hasDanglingName = true
        }
        if nodes.count > TargetKeys.countMax {
            diagnostics.error(
                node.mark,
                "a route shares its requests between at most \(TargetKeys.countMax) pools, not \(nodes.count)")
        }
        var targets: [WeightedPool] = []
        var lines: [Int: Int] = [:]
        for node in nodes {
            guard let (target, mark) = target(node) else { continue }
            if let line = lines[target.pool] {
                diagnostics.error(
                    mark, "the pool \(pools[target.pool].name.quoted) is already on line \(line)",
                    hint: "for a larger share use `weight`")
                continue
            }
            lines[target.pool] = mark.line
            targets.append(target)
        }
        return targets
    }

    /// An element of `to`: the name alone, or a map.
    private func target(_ node: YAMLNode) -> (WeightedPool, YAMLNode.Mark)? {
        guard case .map = node.content else {
            let field = Field(key: RouteKeys.to.name, diagnostics: diagnostics)
            guard let name = Form<String>.name.read(node, field) else {
                hasDanglingName = true
                return nil
            }
            return pool(named: name, at: node.mark).map { (WeightedPool(pool: $0), node.mark) }
        }
        let reader = SectionReader(node, TargetKeys.section, diagnostics)
        var weight = 1
        reader.read(TargetKeys.weight, into: &weight)
        guard let name = reader.require(TargetKeys.pool, hint: "as in `{pool: app, weight: 95}`") else {
            hasDanglingName = true
            return nil
        }
        let mark = reader[node: TargetKeys.pool]?.mark ?? node.mark
        return pool(named: name, at: mark).map { (WeightedPool(pool: $0, weight: weight), mark) }
    }

    // MARK: redirect

    private func compile(redirect reader: SectionReader) -> RouteAnswer {
        var answer = RouteAnswer(status: 308, location: [])
        reader.read(RedirectKeys.status, into: &answer.status)
        guard let node = reader.require(RedirectKeys.to, hint: "as in `redirect: {to: /new}`") else { return answer }
        guard let text = node.text else {
            Field(key: RedirectKeys.to.name, diagnostics: diagnostics).refuse(node, takes: RedirectKeys.to.form.phrase)
            return answer
        }
        guard text.utf8.count <= HeaderRuleReader.valueBytesMax else {
            diagnostics.error(
                node.mark, "\"to\" has \(text.utf8.count) bytes, more than \(HeaderRuleReader.valueBytesMax)")
            return answer
        }
        guard let value = TemplateReader(hasResponse: false, diagnostics: diagnostics).read(text, node.mark) else {
            return answer
        }
        if let problem = LocationSyntax.problem(of: value) {
            diagnostics.error(node.mark, "\(text.quoted) \(problem.message)", hint: problem.hint)
        }
        answer.location = value
        return answer
    }

    // MARK: respond

    /// - Parameter rules: Get the answer's fields.
    private func compile(respond reader: SectionReader, into rules: inout HeaderRules) -> RouteAnswer {
        var answer = RouteAnswer(status: 200)
        reader.read(RespondKeys.status, into: &answer.status)
        if let node = reader[node: RespondKeys.body], let body = pageText(node, of: RespondKeys.body) {
            answer.body = body
            if [204, 205, 304].contains(answer.status) && !body.isEmpty {
                diagnostics.error(
                    node.mark, "a response with status \(answer.status) has no body",
                    hint: "remove `body`, or choose another status (RFC 9110 §15)")
            }
        }
        if let type = reader.read(RespondKeys.type) {
            answer.contentType = type
        } else if !answer.body.isEmpty {
            answer.contentType = "text/plain"
        }
        if let node = reader[node: RespondKeys.headers] {
            let stated = Set(rules.set.map { $0.name.lowercased() })
            for rule in HeaderRuleReader(.response, diagnostics).lines(node, RespondKeys.headers) {
                if stated.contains(rule.name.lowercased()) {
                    diagnostics.error(
                        node.mark, "the field \(rule.name.quoted) stands in `response.set` as well",
                        hint: "keep one of the two")
                } else {
                    rules.set.append(rule)
                }
            }
        }
        return answer
    }

    /// A text of the file that is sent as it is.
    ///
    /// - Returns: nil after an error was reported.
    func pageText(_ node: YAMLNode, of key: Key<YAMLNode>) -> [UInt8]? {
        guard let text = node.text else {
            Field(key: key.name, diagnostics: diagnostics).refuse(
                node, takes: "text", hint: node.isNull ? "write \"\" for an empty one" : nil)
            return nil
        }
        guard text.utf8.count <= RouteAnswer.bodyBytesMax else {
            diagnostics.error(
                node.mark, "the text has \(text.utf8.count) bytes, more than \(RouteAnswer.bodyBytesMax)",
                hint: "larger content is for an endpoint to serve")
            return nil
        }
        return [UInt8](text.utf8)
    }
}

/// What a `Location` must look like so that no request decides where its client is sent.
enum LocationSyntax {
    /// - Returns: nil when it is good.
    static func problem(of value: [ValuePart]) -> (message: String, hint: String)? {
        for part in value {
            if case .literal(let text) = part, !text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) {
                return ("holds a character that no URL has", "percent-encode it, as in `%20`")
            }
        }
        var rest = value[...]
        if case .literal(let text)? = rest.first {
            if text.hasPrefix("//") {
                return ("begins with two slashes, which name a host", "write `https://…`, or one slash")
            }
            if text.hasPrefix("/") { return nil }
            let scheme = ["https://", "http://"].first { text.hasPrefix($0) }
            guard let scheme else { return shape }
            let after = String(text.dropFirst(scheme.count))
            return host(after, rest.dropFirst())
        }
        if rest.first == .variable(.path) { return nil }
        guard rest.first == .variable(.scheme) else { return shape }
        rest = rest.dropFirst()
        guard case .literal(let text)? = rest.first, text.hasPrefix("://") else { return shape }
        return host(String(text.dropFirst(3)), rest.dropFirst())
    }

    private static let shape = (
        "is neither a path nor a URL", "as in `/new`, `https://shop.example/new` or `https://{host}{path}`"
    )

    /// Everything up to the slash that ends the host is the site's, or the host that was asked.
    private static func host(_ first: String, _ rest: ArraySlice<ValuePart>) -> (message: String, hint: String)? {
        var isEmpty = true
        for part in [.literal(first)] + rest {
            switch part {
            case .literal(let text):
                let name = text.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
                if !name.isEmpty { isEmpty = false }
                if name.contains("@") || name.contains("\\") {
                    return ("has a host that is none", "as in `https://shop.example/new`")
                }
                if name.count < text.count { return isEmpty ? noHost : nil }
            case .variable(.host), .variable(.hostname): isEmpty = false
            case .variable(.path): return isEmpty ? noHost : nil
            case .variable(let variable):
                return ("lets {\(variable.name)} be part of the host", "put a slash before it")
            case .field(let name): return ("lets {header.\(name)} be part of the host", "put a slash before it")
            }
        }
        return isEmpty ? noHost : nil
    }

    private static let noHost = ("has no host", "as in `https://{host}/new`")
}
