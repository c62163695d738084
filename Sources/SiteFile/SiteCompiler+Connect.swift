import Snapshot

/// `connect` of a route.
extension SiteCompiler {
    func compile(connect reader: SectionReader, into route: inout Route) {
        let match = reader[node: RouteKeys.match]?.mark ?? reader.mark
        guard reader.has(RouteKeys.connect) else {
            if route.match.methods == ["CONNECT"] {
                diagnostics.warning(
                    match, "every request of the route \(route.name.quoted) is answered with 405",
                    hint: "allow CONNECT with `connect: terminate` or `connect: forward`")
            }
            return
        }
        guard let connect = reader.read(RouteKeys.connect) else { return }
        let mark = reader.mark(of: RouteKeys.connect)
        guard route.answer == nil else {
            diagnostics.error(
                mark, "\"connect\" needs \"to\"", hint: "a route that answers itself has no endpoint to connect to")
            return
        }
        if route.match.methods != ["CONNECT"] {
            diagnostics.error(
                mark, "a route with \"connect\" takes CONNECT and nothing else",
                hint: "write `match: {method: CONNECT}`, and another route for other methods")
        }
        if route.match.path != nil || !route.match.query.isEmpty {
            diagnostics.error(
                match, "a CONNECT request has neither path nor query", hint: "match its target with `host`")
        }
        if !route.rewrite.isEmpty {
            diagnostics.error(
                reader.mark(of: RouteKeys.request), "a CONNECT request has neither path nor query to rewrite",
                hint: "remove `path` and `query`")
        } else if connect == .terminate && !route.request.isEmpty {
            diagnostics.warning(
                reader.mark(of: RouteKeys.request), "\"request\" has no effect with `connect: terminate`",
                hint: "the endpoint gets the tunnel's bytes and no request")
        }
        if connect == .terminate,
            let target = route.targets.first(where: { compiledPools[$0.pool].endpointProtocol != .http1 })
        {
            diagnostics.error(
                mark,
                "the pool \(compiledPools[target.pool].name.quoted) speaks HTTP/2: no bare connection leads to its endpoints",
                hint: "write `connect: forward`, or another pool")
            return
        }
        route.connect = connect
    }
}
