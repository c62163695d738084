import EventLoop
import Snapshot

/// Nodes to a snapshot. Goes on after an error with what is left, so that one pass finds all of them; its result
/// counts only when the list of diagnostics has no error.
final class SiteCompiler {
    let diagnostics: DiagnosticList
    let names: NameCache
    let patterns = SitePatterns()
    let files: NamedFiles
    let pages: PageFiles
    /// Names under `pools` and `listeners`, with what is known of them before they are compiled, in file order.
    var pools: [Named] = []
    var listeners: [Named] = []
    var poolIndices: [String: Int] = [:]
    var listenerIndices: [String: Int] = [:]
    /// Whether the names are complete, so that one that is missing may be called missing.
    var hasPools = false
    var usedPools: Set<Int> = []
    /// Names among the endpoints, and how often they are to be resolved.
    var endpointNames: [String: Duration] = [:]
    /// Certificates whose OCSP responses are to be fetched.
    var staples: [FetchedStaple] = []
    /// Where each listening address stands.
    var listenAddresses: [IPEndpoint: YAMLNode.Mark] = [:]
    /// A route or listener names something that isn't there: what seems unused may be what it meant.
    var hasDanglingName = false
    var compiledListeners: [Listener] = []
    var compiledPools: [Pool] = []
    /// Who relays connections to pools, without looking at requests.
    var relays: [Relay] = []

    struct Relay {
        var pool: Int
        var mark: YAMLNode.Mark
        /// As in `the tcp listener "pg"`.
        var user: String
        var isPassthrough: Bool
    }

    struct Named {
        var name: String
        var mark: YAMLNode.Mark
        var reader: SectionReader
    }

    init(_ diagnostics: DiagnosticList, _ names: NameCache, _ files: NamedFiles) {
        self.diagnostics = diagnostics
        self.names = names
        self.files = files
        pages = PageFiles(files)
    }

    func compile(_ root: YAMLNode, revision: UInt64) -> Snapshot {
        var snapshot = Snapshot(revision: revision, site: SiteKeys.defaultName)
        guard case .map = root.content else {
            diagnostics.error(
                root.mark, "a site file is a map of keys, not \(root.phrase)",
                hint: "its keys: \(SiteKeys.section.keyNames.joined(separator: ", "))")
            return snapshot
        }
        let top = SectionReader(root, SiteKeys.section, diagnostics)
        top.read(SiteKeys.site, into: &snapshot.site)
        read(top.open(SiteKeys.forwarder), into: &snapshot.forwarder)
        read(top.open(SiteKeys.proxy), into: &snapshot.proxy)
        if let trust = top.open(SiteKeys.trust) {
            snapshot.trustedProxies = read(trust)
            trust.read(TrustKeys.forwarded, into: &snapshot.statesForwarded)
        }
        read(top.open(SiteKeys.limits), into: &snapshot.limits)
        snapshot.accessLog = compile(accessLog: top.open(SiteKeys.accessLog))

        listeners = named(
            top, SiteKeys.listeners, ListenerKeys.section, what: "listener", example: "web: {address: \":8080\"}")
        pools = named(
            top, SiteKeys.pools, PoolKeys.section, what: "pool", example: "app: {endpoints: [\"127.0.0.1:9001\"]}")
        hasPools = top.has(SiteKeys.pools) && !pools.isEmpty
        for (index, pool) in pools.enumerated() { poolIndices[pool.name] = index }
        for (index, listener) in listeners.enumerated() { listenerIndices[listener.name] = index }

        compiledPools = pools.map { compile(pool: $0) }
        snapshot.pools = compiledPools
        compiledListeners = listeners.map { compile(listener: $0) }
        snapshot.listeners = compiledListeners
        snapshot.routes = compileRoutes(top)
        if let node = top[node: SiteKeys.errors] { snapshot.errorPages = errorPages(node) }
        reportUnused(snapshot)
        warnOfUnboundedRelays(snapshot)
        warnOfRequestAffinity(snapshot)
        warnOfOutliersOfRelays(snapshot)
        warnOfTLSOfRelays(snapshot)
        return snapshot
    }

    /// The entries of a map from names to sections; missing or empty is an error.
    private func named(
        _ top: SectionReader, _ key: Key<YAMLNode>, _ section: Section, what: String, example: String
    ) -> [Named] {
        guard let node = top.require(key, hint: "add `\(key.name)` with at least one \(what), as in `\(example)`")
        else { return [] }
        let entries = node.uniqueEntries(diagnostics)
        if entries.isEmpty {
            diagnostics.error(
                top.mark(of: key), "\(key.name.quoted) has no \(what)", hint: "add one, as in `\(example)`")
        }
        return entries.map { entry in
            if !Form<String>.isName(entry.key) {
                diagnostics.error(
                    entry.keyMark, "\(entry.key.quoted) is no name of a \(what)",
                    hint: "it takes \(Form<String>.name.phrase)")
            }
            let isMap = if case .map = entry.value.content { true } else { false }
            if !isMap {
                diagnostics.error(
                    entry.value.mark, "the \(what) \(entry.key.quoted) is a map, not \(entry.value.phrase)",
                    hint: "its keys: \(section.keyNames.joined(separator: ", "))")
            }
            // An invalid one is left without keys; it has been reported, and its name still counts.
            return Named(
                name: entry.key, mark: entry.keyMark,
                reader: SectionReader(entry.value, section, diagnostics, isBroken: !isMap))
        }
    }

    private func read(_ reader: SectionReader?, into settings: inout ForwarderSettings) {
        guard let reader else { return }
        reader.read(ForwarderKeys.workers, into: &settings.workers)
        reader.read(ForwarderKeys.hash, into: &settings.hash)
        reader.read(ForwarderKeys.handOver, into: &settings.handOver)
        reader.read(ForwarderKeys.balance, into: &settings.balance)
    }

    private func read(_ reader: SectionReader?, into settings: inout ProxySettings) {
        guard let reader else { return }
        reader.read(ProxyKeys.nodes, into: &settings.nodes)
        reader.read(ProxyKeys.workers, into: &settings.workers)
        settings.memoryBytesMax = reader.read(ProxyKeys.memory)
        settings.zone = reader.read(BalanceKeys.nodeZone)
        reader.read(ProxyKeys.drainTimeout, into: &settings.drainTimeout)
        reader.read(ProxyKeys.leaveTimeout, into: &settings.leaveTimeout)
    }

    private func read(_ trust: SectionReader) -> [AddressRange] {
        guard let ranges = trust.read(TrustKeys.proxies) else { return [] }
        return unique(ranges, at: trust.mark(of: TrustKeys.proxies)) { $0.description }
    }

    var siteNames: SiteNames {
        SiteNames(addresses: names.known.compactMapValues { try? $0.get() }, intervals: endpointNames)
    }

    /// The values without repetitions; a repeated one is a warning.
    func unique<Value: Hashable>(_ values: [Value], at mark: YAMLNode.Mark, _ words: (Value) -> String) -> [Value] {
        var seen: Set<Value> = []
        return values.filter { value in
            let isNew = seen.insert(value).inserted
            if !isNew { diagnostics.warning(mark, "\(words(value).quoted) is listed twice") }
            return isNew
        }
    }

    /// - Returns: Index of the pool; nil after an error was reported.
    func pool(named name: String, at mark: YAMLNode.Mark) -> Int? {
        if let index = poolIndices[name] {
            usedPools.insert(index)
            return index
        }
        hasDanglingName = true
        if hasPools {
            let known = pools.map(\.name)
            diagnostics.error(
                mark, "no pool named \(name.quoted)",
                hint: Suggestion.hint(for: name, among: known) ?? knownNames(known, "pools"))
        }
        return nil
    }

    /// The names there are, as far as they fit a line.
    func knownNames(_ names: [String], _ what: String) -> String {
        let shown = names.prefix(10).joined(separator: ", ")
        return "the \(what) of this site: \(shown)" + (names.count > 10 ? ", …" : "")
    }

    private func reportUnused(_ snapshot: Snapshot) {
        guard !hasDanglingName else { return }
        for (index, pool) in pools.enumerated() where !usedPools.contains(index) {
            diagnostics.warning(
                pool.mark, "the pool \(pool.name.quoted) is not used",
                hint: "no route and no tcp listener has it in `to`")
        }
        let served = Set(snapshot.routes.flatMap(\.listeners))
        for (index, listener) in snapshot.listeners.enumerated() where listener.pool == nil {
            guard !served.contains(index), !listeners[index].reader.isBroken else { continue }
            diagnostics.warning(
                listeners[index].mark, "no route serves the listener \(listener.name.quoted)",
                hint: listener.application == .tlsPassthrough
                    ? "every client there is closed" : "every request there is answered with an error")
        }
        warnOfUnreachableDefaults(snapshot)
    }
}
