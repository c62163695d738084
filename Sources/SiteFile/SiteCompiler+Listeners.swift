import EventLoop
import Snapshot

extension SiteCompiler {
    func compile(listener named: Named) -> Listener {
        let reader = named.reader
        var listener = Listener(name: named.name, addresses: [])
        if let written = reader.require(ListenerKeys.address, hint: "as in `address: \":8080\"`") {
            let nodes = elements(reader[node: ListenerKeys.address])
            // Without an error in the list, its elements and the addresses read from them agree.
            if written.count == nodes.count {
                for (address, node) in zip(written, nodes) { listener.addresses += resolve(address, node.mark) }
            }
        }
        let spoken = reader.read(ListenerKeys.protocol)
        switch spoken ?? .http {
        case .http, .https: listener.application = .http
        case .tcp: listener.application = .tcp
        case .tlsPassthrough: listener.application = .tlsPassthrough
        }
        listener.limits = compile(limits: reader.open(ListenerKeys.limits), of: listener)
        switch spoken ?? .http {
        case .tcp:
            guard let name = reader.require(ListenerKeys.to, hint: "a tcp listener relays to one pool, as in `to: app`")
            else {
                hasDanglingName = true
                break
            }
            setRelay(to: name, of: reader, &listener)
        case .tlsPassthrough:
            if let name = reader.read(ListenerKeys.to) {
                setRelay(to: name, of: reader, &listener)
            } else if reader.has(ListenerKeys.to) {
                hasDanglingName = true
            }
        case .http, .https:
            // With a protocol that could not be read, `to` may be right.
            guard spoken != nil || !reader.has(ListenerKeys.protocol) else {
                hasDanglingName = true
                return listener
            }
            guard let name = reader.read(ListenerKeys.to) else { break }
            diagnostics.error(
                reader.mark(of: ListenerKeys.to), "the http listener \(named.name.quoted) takes no `to`",
                hint: "add a route with `to: \(name)`, or write `protocol: tcp`")
        }
        if spoken == .https {
            let hint = "as in `tls: {certificates: [{chain: shop.pem, key: shop.key}]}`"
            if let node = reader.require(ListenerKeys.tls, hint: hint) {
                listener.tls = compile(
                    tls: SectionReader(node, TLSKeys.section, diagnostics), of: named.name)
            }
        } else if reader.has(ListenerKeys.tls) {
            diagnostics.error(
                reader.mark(of: ListenerKeys.tls), "`tls` is for listeners with `protocol: https`",
                hint: "write `protocol: https`, or remove it")
        }
        return listener
    }

    /// `to` of a listener that takes no requests.
    private func setRelay(to name: String, of reader: SectionReader, _ listener: inout Listener) {
        listener.pool = pool(named: name, at: reader[node: ListenerKeys.to]?.mark ?? reader.mark)
        guard let pool = listener.pool else { return }
        let word = listener.application == .tcp ? "tcp" : "tls-passthrough"
        relays.append(
            Relay(
                pool: pool, mark: reader.mark(of: ListenerKeys.to),
                user: "the \(word) listener \(listener.name.quoted)",
                isPassthrough: listener.application == .tlsPassthrough))
    }

    /// The elements of a list, or the one value that stands for it.
    func elements(_ node: YAMLNode?) -> [YAMLNode] {
        guard let node else { return [] }
        if case .list(let nodes) = node.content { return nodes }
        return [node]
    }

    private func resolve(_ written: WrittenAddress, _ mark: YAMLNode.Mark) -> [IPEndpoint] {
        switch written {
        case .address(.ip(let endpoint)): return claim([endpoint], mark)
        case .address(.unix): return []
        case .name(let name, let port):
            return claim(names.addresses(of: name, port: port, at: mark, diagnostics) ?? [], mark)
        }
    }

    /// One address belongs to one listener.
    private func claim(_ addresses: [IPEndpoint], _ mark: YAMLNode.Mark) -> [IPEndpoint] {
        addresses.filter { address in
            if let owner = listenAddresses[address] {
                diagnostics.error(
                    mark, "the address \(address.description.quoted) is already taken on line \(owner.line)",
                    hint: "every listener needs addresses of its own")
                return false
            }
            listenAddresses[address] = mark
            return true
        }
    }
}
