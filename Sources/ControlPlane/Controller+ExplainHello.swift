import EventLoop
import Forwarder
import Snapshot

/// `POST /v1/explain` for a `tls-passthrough` listener: of the URL only the host says where its connection goes.
extension Controller {
    func explainHello(
        _ url: ExplainedURL, protocols: [String], _ listener: Int, _ snapshot: Snapshot
    ) async throws -> ExplanationDocument {
        var document = ExplanationDocument(
            revision: snapshot.revision, listener: snapshot.listeners[listener].name, pools: [], passedOver: [],
            passedOverMore: 0)
        let explainer = HelloExplainer(snapshot, listener: listener)
        let name = url.serverName
        let answer = explainer.answer(name: name, protocols: protocols)
        document.alert = HelloExplainer.alert(of: answer)
        var earlierCount = snapshot.routes.count
        if case .route(let chosen) = answer {
            let route = explainer.route(chosen)
            if let index = snapshot.routes.firstIndex(where: { $0.name == route.name }) {
                document.route = route.name
                earlierCount = index
                try await add(snapshot.routes[index], snapshot, &document)
            } else if let pool = snapshot.listeners[listener].pool {
                let own = Route(name: "", listeners: [listener], targets: [WeightedPool(pool: pool)])
                try await add(own, snapshot, &document)
            }
        }
        for index in 0..<min(earlierCount, Controller.passedOverMax) {
            let reasons = explainer.reasons(against: index, name: name, protocols: protocols).map(\.rawValue)
            document.passedOver.append(.init(route: snapshot.routes[index].name, reasons: reasons))
        }
        document.passedOverMore = earlierCount - document.passedOver.count
        return document
    }
}

extension ExplainedURL {
    /// What a client of TLS asks for: the host without its port, and nothing when that is an address (RFC 6066 §3).
    var serverName: String {
        let host = fields.first { $0.name.lowercased() == "host" }?.value ?? ""
        if host.hasPrefix("[") { return "" }
        let name = String(host.prefix { $0 != ":" })
        return IPEndpoint(host: name, port: 0) == nil ? name : ""
    }
}
