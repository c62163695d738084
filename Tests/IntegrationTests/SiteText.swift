/// Site files of the shapes that several tests use.
enum SiteText {
    /// One HTTP listener, one pool named `app`, one route to it.
    ///
    /// - Parameters:
    ///   - nodes: Local proxy nodes.
    ///   - workers: Event loops of each.
    ///   - balance: Of the pool, unless `pool` says it; nil: leaves it out. In turn, so that tests know where requests go.
    ///   - pool: Further keys of the pool, in flow style: `health: {…}`.
    ///   - route: Further keys of the route, in flow style.
    ///   - top: Further top-level lines.
    static func http(
        _ port: UInt16, to endpoints: [String], nodes: Int = 2, workers: Int = 1, balance: String? = "round-robin",
        pool: String = "", route: String = "", top: String = ""
    ) -> String {
        let pool = balance == nil || pool.contains("balance:") ? pool : join(pool, "balance: \(balance!)")
        return """
            site: test
            proxy: {nodes: \(nodes), workers: \(workers)}
            \(top)
            listeners:
              web: {address: "127.0.0.1:\(port)"}
            routes:
              - {name: main, to: app\(route.isEmpty ? "" : ", " + route)}
            pools:
              app: {endpoints: [\(quoted(endpoints))]\(pool.isEmpty ? "" : ", " + pool)}
            """
    }

    /// One TCP listener named `raw`, relayed to a pool named `echo`.
    static func tcp(_ port: UInt16, to endpoints: [String], pool: String = "") -> String {
        """
        site: test
        proxy: {nodes: 1}
        listeners:
          raw: {address: "127.0.0.1:\(port)", protocol: tcp, to: echo}
        pools:
          echo: {endpoints: [\(quoted(endpoints))]\(pool.isEmpty ? "" : ", " + pool)}
        """
    }

    private static func join(_ keys: String, _ more: String) -> String { keys.isEmpty ? more : "\(keys), \(more)" }

    static func quoted(_ endpoints: [String]) -> String {
        endpoints.map { "\"\($0)\"" }.joined(separator: ", ")
    }
}
