import Balancing
import EventLoop
import Proxy
import Snapshot

/// `POST /v1/explain`: asked of the snapshot in force, with the route tables of the data plane.
extension Controller {
    static let passedOverMax = 100

    package func explain(_ question: ExplainDocument) async throws -> ExplanationDocument {
        let snapshot = try running().snapshot
        let url = try ExplainedURL(question)
        let index = try listener(of: question, url, snapshot)
        if snapshot.listeners[index].application == .tlsPassthrough {
            return try await explainHello(url, protocols: question.alpn ?? ["h2", "http/1.1"], index, snapshot)
        }
        guard let client = IPEndpoint(host: question.client ?? "127.0.0.1", port: 0) else {
            throw ControlError.invalid("the client \(question.client ?? "") is no IP address")
        }
        let request = Explainer.Request(
            method: question.method, target: url.target, fields: url.fields, client: client)
        let explainer = try Explainer(snapshot, listener: index)
        var document = ExplanationDocument(
            revision: snapshot.revision, listener: snapshot.listeners[index].name, pools: [], passedOver: [],
            passedOverMore: 0)
        switch explainer.outcome(of: request) {
        case .refused(let status, let reason):
            document.answer = .init(status: status, reason: reason)
            return document
        case .answered(let status):
            document.answer = .init(status: status)
            // What is decided without routes needs no reasons against them.
            if status == 404 || status == 405 { try add(0..<snapshot.routes.count, explainer, request, &document) }
        case .routed(let chosen):
            let route = snapshot.routes[chosen]
            document.route = route.name
            try add(0..<chosen, explainer, request, &document)
            if let answer = route.answer {
                document.answer = .init(status: answer.status, location: explainer.location(request))
            } else {
                try await add(route, snapshot, &document)
            }
            document.forwarded = explainer.forwarded(request).map { .init($0) }
        }
        return document
    }

    private func add(
        _ routes: Range<Int>, _ explainer: Explainer, _ request: Explainer.Request,
        _ document: inout ExplanationDocument
    ) throws {
        let snapshot = try running().snapshot
        for index in routes.prefix(Controller.passedOverMax) {
            let reasons = try explainer.reasons(against: index, request).map(\.rawValue)
            document.passedOver.append(.init(route: snapshot.routes[index].name, reasons: reasons))
        }
        document.passedOverMore = routes.count - document.passedOver.count
    }

    func add(_ route: Route, _ snapshot: Snapshot, _ document: inout ExplanationDocument) async throws {
        let known = try await poolsDocument().pools
        let weights = Double(route.targets.reduce(0) { $0 + $1.weight })
        document.pools = route.targets.map { target in
            let pool = snapshot.pools[target.pool]
            let states = known.first { $0.name == pool.name }?.endpoints ?? []
            return ExplanationDocument.Pool(
                name: pool.name, balance: pool.balance.name, share: Double(target.weight) * 100 / weights,
                endpoints: pool.endpoints.map { endpoint in
                    let address = endpoint.address.description
                    let state = states.first { $0.address == address }?.state ?? "unknown"
                    return .init(
                        address: address, weight: endpoint.weight, state: state,
                        eligible: state == "up" || state == "unknown")
                })
        }
        document.mirror = route.mirror.map {
            .init(pool: snapshot.pools[$0.pool].name, share: Double($0.share) / 100)
        }
    }

    /// - Returns: Index of a listener that has routes.
    private func listener(
        of question: ExplainDocument, _ url: ExplainedURL, _ snapshot: Snapshot
    ) throws(ControlError) -> Int {
        let known = snapshot.listeners.indices.filter { snapshot.listeners[$0].application != .tcp }
        let names = known.map { snapshot.listeners[$0].name }
        if let name = question.listener {
            guard let place = names.firstIndex(of: name) else {
                throw .notFound("no listener with routes is named \(name): there are \(names.joined(separator: ", "))")
            }
            return known[place]
        }
        if known.count == 1 { return known[0] }
        if let port = url.port {
            let there = known.filter { snapshot.listeners[$0].addresses.contains { $0.port == port } }
            if there.count == 1 { return there[0] }
        }
        let http = known.filter { snapshot.listeners[$0].application == .http }
        if http.count == 1 { return http[0] }
        throw .invalid("which listener? Name one of \(names.joined(separator: ", "))")
    }
}

/// The URL of a question, as the request that a client would make of it.
struct ExplainedURL {
    /// In origin form where the URL says which host, else as it stands.
    var target: String
    /// `Host` first, unless the question has one.
    var fields: [(name: String, value: String)]
    /// Where the client connects to; nil when the URL doesn't say.
    var port: UInt16?

    init(_ question: ExplainDocument) throws(ControlError) {
        for text in [question.method, question.url] + (question.headers ?? []).flatMap({ [$0.name, $0.value] }) {
            guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
                throw .invalid("method, URL and headers have no control characters")
            }
        }
        fields = (question.headers ?? []).map { ($0.name, $0.value) }
        let schemes: [(prefix: String, port: UInt16)] = [("http://", 80), ("https://", 443)]
        let scheme = schemes.first { question.url.lowercased().hasPrefix($0.prefix) }
        let host: String
        if let scheme {
            let rest = question.url.dropFirst(scheme.prefix.count)
            host = String(rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" })
            let origin = String(rest.dropFirst(host.count).prefix { $0 != "#" })
            target = origin.hasPrefix("/") ? origin : "/" + origin
            port = ExplainedURL.port(of: host) ?? scheme.port
        } else {
            target = question.url
            // The target of CONNECT says where the tunnel is to lead, not whom the client asks.
            host = question.method == "CONNECT" ? question.url : "localhost"
        }
        if !fields.contains(where: { $0.name.lowercased() == "host" }) { fields.insert(("Host", host), at: 0) }
    }

    private static func port(of host: String) -> UInt16? {
        guard let colon = host.lastIndex(of: ":"), !host[colon...].contains("]") else { return nil }
        return UInt16(host[host.index(after: colon)...])
    }
}

extension ExplanationDocument.Forwarded {
    /// - Parameter head: As it is sent.
    init(_ head: String) {
        let lines = head.replacing("\r\n", with: "\n").split(separator: "\n")
        self.init(
            requestLine: lines.first.map(String.init) ?? "",
            headers: lines.dropFirst().map { line in
                let colon = line.firstIndex(of: ":") ?? line.endIndex
                return .init(
                    name: String(line[..<colon]), value: line[colon...].dropFirst().trimmingPrefix(" ").description)
            })
    }
}
