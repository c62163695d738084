import Snapshot

/// `request.path` and `request.query` of a route, and `errors`.
extension SiteCompiler {
    func compile(rewrite request: SectionReader) -> TargetRewrite {
        var rewrite = TargetRewrite()
        if let path = request.open(RequestKeys.path) { rewrite.path = compile(path: path) }
        guard let query = request.open(RequestKeys.query) else { return rewrite }
        if let node = query[node: QueryRewriteKeys.set] {
            rewrite.set = parameters(node, QueryRewriteKeys.set, mayRepeat: false)
        }
        if let node = query[node: QueryRewriteKeys.add] {
            rewrite.add = parameters(node, QueryRewriteKeys.add, mayRepeat: true)
        }
        if let names = query.read(QueryRewriteKeys.remove) {
            rewrite.remove = unique(names, at: query.mark(of: QueryRewriteKeys.remove)) { $0 }
        }
        return rewrite
    }

    private func compile(path reader: SectionReader) -> TargetRewrite.Path {
        func normal(_ key: Key<String>) -> String? {
            guard let path = reader.read(key) else { return nil }
            if let problem = PathSyntax.problem(of: path) {
                diagnostics.error(
                    reader[node: key]?.mark ?? reader.mark, "\(path.quoted) \(problem)",
                    hint: "paths are compared and sent in their normal form (RFC 3986 §6.2.2)")
            }
            return path
        }
        let (strip, add) = (normal(PathRewriteKeys.stripPrefix), normal(PathRewriteKeys.addPrefix))
        if let replace = normal(PathRewriteKeys.replace) {
            for key in [PathRewriteKeys.stripPrefix, PathRewriteKeys.addPrefix] where reader.has(key) {
                diagnostics.error(
                    reader.mark(of: key), "\(key.name.quoted) changes nothing beside `replace`",
                    hint: "keep one of the two")
            }
            return .replace(replace)
        }
        let prefixes = [strip, add].map { path in
            var path = path ?? ""
            while path.hasSuffix("/") { path.removeLast() }
            return path
        }
        return strip == nil && add == nil ? .keep : .prefixes(strip: prefixes[0], add: prefixes[1])
    }

    private func parameters(
        _ node: YAMLNode, _ key: Key<YAMLNode>, mayRepeat: Bool
    ) -> [TargetRewrite.Parameter] {
        guard case .map = node.content else {
            if !node.isNull {
                Field(key: key.name, diagnostics: diagnostics).refuse(
                    node, takes: key.form.phrase, hint: "as in `\(key.name): {lang: en}`")
            }
            return []
        }
        var parameters: [TargetRewrite.Parameter] = []
        for entry in node.uniqueEntries(diagnostics) {
            let name = YAMLNode(content: .scalar(entry.key, isPlain: false), mark: entry.keyMark)
            guard Form<String>.parameterName.read(name, Field(key: key.name, diagnostics: diagnostics)) != nil else {
                continue
            }
            var nodes = [entry.value]
            if mayRepeat, case .list(let list) = entry.value.content {
                nodes = list
                if list.isEmpty {
                    diagnostics.error(
                        entry.value.mark, "\(entry.key.quoted) is an empty list", hint: "list at least one value")
                }
            }
            for node in nodes {
                guard let text = node.text, text.utf8.count <= HeaderRuleReader.valueBytesMax else {
                    Field(key: entry.key, diagnostics: diagnostics).refuse(
                        node, takes: "text of at most \(HeaderRuleReader.valueBytesMax) bytes, or a number",
                        hint: node.isNull ? "write \"\" for an empty value" : nil)
                    continue
                }
                if let value = TemplateReader(hasResponse: false, diagnostics: diagnostics).read(text, node.mark) {
                    parameters.append(.init(name: entry.key, value: value))
                }
            }
        }
        return parameters
    }

    // MARK: errors

    func errorPages(_ node: YAMLNode) -> [ErrorPage] {
        guard case .map = node.content else {
            if !node.isNull {
                Field(key: SiteKeys.errors.name, diagnostics: diagnostics).refuse(
                    node, takes: SiteKeys.errors.form.phrase, hint: "as in `errors: {404: {body: gone}}`")
            }
            return []
        }
        return node.uniqueEntries(diagnostics).compactMap { entry in
            guard let statuses = statuses(entry.key) else {
                diagnostics.error(
                    entry.keyMark, "\(entry.key.quoted) is no status of an error",
                    hint: "a status from 400 to 599, or a class: 4xx, 5xx")
                return nil
            }
            let field = Field(key: entry.key, diagnostics: diagnostics)
            guard let map = Form<YAMLNode>.section(ErrorPageKeys.section).read(entry.value, field) else { return nil }
            return errorPage(statuses, SectionReader(map, ErrorPageKeys.section, diagnostics))
        }
    }

    private func statuses(_ text: String) -> ClosedRange<Int>? {
        switch text {
        case "4xx": return 400...499
        case "5xx": return 500...599
        default:
            guard let status = Form<Int>.decimal(text), 400...599 ~= status else { return nil }
            return status...status
        }
    }

    private func errorPage(_ statuses: ClosedRange<Int>, _ reader: SectionReader) -> ErrorPage? {
        let type = reader.read(ErrorPageKeys.type) ?? "text/html"
        let (body, file) = (reader[node: ErrorPageKeys.body], reader[node: ErrorPageKeys.file])
        if body != nil, file != nil {
            diagnostics.error(
                reader.mark(of: ErrorPageKeys.file), "a page has `body` or `file`, not both",
                hint: "keep one of the two")
        }
        if let body {
            return pageText(body, of: ErrorPageKeys.body).flatMap { page(statuses, type, $0, body.mark) }
        }
        guard let file else {
            diagnostics.error(
                reader.mark, "a page needs `body` or `file`", hint: "as in `{file: errors/5xx.html}`")
            return nil
        }
        guard let path = file.text, !path.isEmpty, !path.contains("\0") else {
            Field(key: ErrorPageKeys.file.name, diagnostics: diagnostics).refuse(
                file, takes: ErrorPageKeys.file.form.phrase)
            return nil
        }
        switch pages.read(path) {
        case .success(let body): return page(statuses, type, body, file.mark)
        case .failure(let problem):
            diagnostics.error(file.mark, problem.message, hint: problem.hint)
            return nil
        }
    }
}

extension SiteCompiler {
    /// A page whose variables still fit when the longest ids are filled in.
    private func page(
        _ statuses: ClosedRange<Int>, _ type: String, _ body: [UInt8], _ mark: YAMLNode.Mark
    ) -> ErrorPage? {
        let variable = "{request_id}"
        let count = String(decoding: body, as: UTF8.self).ranges(of: variable).count
        let filled = body.count + count * (ErrorPage.requestIDBytesMax - variable.utf8.count)
        guard filled <= RouteAnswer.bodyBytesMax else {
            diagnostics.error(
                mark,
                "with its ids filled in, the page may have \(filled) bytes, more than \(RouteAnswer.bodyBytesMax)",
                hint: "name {request_id} less often")
            return nil
        }
        return ErrorPage(statuses: statuses, contentType: type, body: body)
    }
}

enum PathSyntax {
    /// Why a path is not in its normal form; nil when it is.
    static func problem(of path: String) -> String? {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        if segments.contains(".") || segments.contains("..") { return "has a dot segment" }
        let bytes = Array(path.utf8)
        for index in bytes.indices where bytes[index] == 0x25 {
            guard index + 2 < bytes.count,
                let value = UInt8(String(decoding: bytes[index + 1...index + 2], as: UTF8.self), radix: 16)
            else { return "has a percent sign without two hexadecimal digits" }
            switch value {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e:
                return "escapes a character that needs no escape"
            default: break
            }
        }
        return nil
    }
}
