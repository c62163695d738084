import Snapshot

extension SiteCompiler {
    func compileRoutes(_ top: SectionReader) -> [Route] {
        guard let node = top.read(SiteKeys.routes) else { return [] }
        guard case .list(let nodes) = node.content else { return [] }
        var routes: [Route] = []
        var shadowing = RouteShadowing(patterns)
        var lines: [String: Int] = [:]
        for (index, node) in nodes.enumerated() {
            guard case .map = node.content else {
                diagnostics.error(
                    node.mark, "a route is a map, not \(node.phrase)",
                    hint: "its keys: \(RouteKeys.section.keyNames.joined(separator: ", "))")
                hasDanglingName = true
                continue
            }
            let reader = SectionReader(node, RouteKeys.section, diagnostics)
            var isMatchKnown = true
            let route = compile(reader, position: index + 1, &isMatchKnown)
            if let line = lines[route.name] {
                diagnostics.error(
                    reader[node: RouteKeys.name]?.mark ?? node.mark,
                    "the name \(route.name.quoted) belongs to the route on line \(line)",
                    hint: "a route without a name is called route-N by its position")
            }
            lines[route.name] = node.mark.line
            // A match that could not be read says nothing about what it catches.
            if isMatchKnown, let cover = shadowing.add(route, line: node.mark.line) {
                diagnostics.warning(
                    node.mark, "the route \(route.name.quoted) can never match: \(cover.description)",
                    hint: "the first route that matches wins: move this one up, or narrow the earlier one")
            }
            routes.append(route)
        }
        return routes
    }

    private func compile(_ reader: SectionReader, position: Int, _ isMatchKnown: inout Bool) -> Route {
        var route = Route(name: "route-\(position)", listeners: [], targets: [])
        reader.read(RouteKeys.name, into: &route.name)
        route.listeners = listeners(of: reader)
        if let listener = route.listeners.first, compiledListeners[listener].application == .tlsPassthrough {
            compile(passthrough: reader, compiledListeners[listener], into: &route, &isMatchKnown)
            return route
        }
        let errorCount = diagnostics.errorCount
        if let match = reader.open(RouteKeys.match) { route.match = compile(match: match) }
        isMatchKnown = diagnostics.errorCount == errorCount
        if let request = reader.open(RouteKeys.request) {
            route.request = HeaderRuleReader(.request, diagnostics).read(request)
            route.rewrite = compile(rewrite: request)
        }
        if let response = reader.open(RouteKeys.response) {
            route.response = HeaderRuleReader(.response, diagnostics).read(response)
        }
        compile(action: reader, into: &route)
        compile(connect: reader, into: &route)
        compile(mirror: reader.open(RouteKeys.mirror), at: reader.mark(of: RouteKeys.mirror), into: &route)
        if let node = reader[node: RouteKeys.errors] { route.errorPages = errorPages(node) }
        if let timeout = reader.open(RouteKeys.timeout) {
            timeout.read(RouteTimeoutKeys.connect, into: &route.connectTimeout)
            timeout.read(RouteTimeoutKeys.response, into: &route.responseTimeout)
            route.requestTimeout = timeout.read(RouteTimeoutKeys.request)
        }
        reader.read(RouteKeys.shed, into: &route.isShed)
        if let retry = reader.open(RouteKeys.retry) {
            route.retry = compile(retry: retry, response: route.responseTimeout)
        }
        if let hedge = reader.open(RouteKeys.hedge) { route.hedge = compile(hedge: hedge, of: route) }
        return route
    }

    private func listeners(of reader: SectionReader) -> [Int] {
        let http = compiledListeners.indices.filter { compiledListeners[$0].application == .http }
        guard reader.has(RouteKeys.listeners) else {
            if http.isEmpty && !compiledListeners.isEmpty {
                let isPassthrough = compiledListeners.contains { $0.application == .tlsPassthrough }
                diagnostics.error(
                    reader.mark, "no listener speaks http: nothing comes to this route",
                    hint: isPassthrough
                        ? "a route of a tls-passthrough listener names it in `listeners`"
                        : "add a listener with `protocol: http`")
            }
            return http
        }
        guard let written = reader.read(RouteKeys.listeners) else {
            hasDanglingName = true
            return http
        }
        let nodes = elements(reader[node: RouteKeys.listeners])
        var indices: [Int] = []
        for (position, name) in written.enumerated() {
            let mark = written.count == nodes.count ? nodes[position].mark : reader.mark(of: RouteKeys.listeners)
            guard let index = listenerIndices[name] else {
                hasDanglingName = true
                if listeners.isEmpty { continue }
                let known = compiledListeners.filter { $0.application != .tcp }.map(\.name)
                diagnostics.error(
                    mark, "no listener named \(name.quoted)",
                    hint: Suggestion.hint(for: name, among: known)
                        ?? knownNames(known, known.count == http.count ? "http listeners" : "listeners"))
                continue
            }
            guard compiledListeners[index].application != .tcp else {
                diagnostics.error(
                    mark, "the listener \(name.quoted) is a tcp listener: it takes no routes",
                    hint: "its `to` names the pool")
                hasDanglingName = true
                continue
            }
            indices.append(index)
        }
        let ofHTTP = indices.filter { compiledListeners[$0].application == .http }
        if !ofHTTP.isEmpty && ofHTTP.count < indices.count {
            diagnostics.error(
                reader.mark(of: RouteKeys.listeners),
                "a route serves http listeners or tls-passthrough listeners, not both", hint: "write a route for each")
            indices = ofHTTP
        }
        return unique(indices, at: reader.mark(of: RouteKeys.listeners)) { compiledListeners[$0].name }
    }
}
