import Foundation

/// The control plane's API over its Unix socket, by curl.
package struct ControlSocket: Sendable {
    package let path: String

    package init(_ path: String) {
        self.path = path
    }

    /// - Parameter target: Path and query: `/v1/status`.
    /// - Throws: `TestKitError` when nobody answers.
    package func request(_ method: String, _ target: String, body: String? = nil) throws -> Curl.Response {
        let response = try Curl.request(
            "http://control\(target)", method: method, fields: body == nil ? [] : ["Content-Type: application/yaml"],
            body: body.map { Data($0.utf8) }, unixSocket: path, within: .seconds(20))
        guard response.exitCode == 0 else {
            throw TestKitError("\(method) \(target): curl: \(response.errors)")
        }
        return response
    }

    /// A GET that has to answer 200 and JSON.
    package func read(_ target: String) throws -> JSON {
        let response = try request("GET", target)
        guard response.status == 200 else {
            throw TestKitError("GET \(target): status \(response.status): \(response.text)")
        }
        return try response.json()
    }

    package func status() throws -> JSON { try read("/v1/status") }

    /// The `nodes` of `/v1/nodes`.
    package func nodes() throws -> [JSON] { try read("/v1/nodes")["nodes"]?.elements ?? [] }

    /// The proxy nodes.
    package func proxies() throws -> [JSON] { try nodes().filter { $0["role"]?.text == "proxy" } }

    /// The node of that id.
    package func node(_ id: String) throws -> JSON? { try nodes().first { $0["id"]?.text == id } }

    /// The endpoint `address` of a pool.
    package func endpoint(_ pool: String, _ address: String) throws -> JSON? {
        try read("/v1/pools")["pools"]?.elements.first { $0["name"]?.text == pool }?["endpoints"]?.elements
            .first { $0["address"]?.text == address }
    }

    /// The revision in force.
    package func revision() throws -> Int {
        guard let revision = try status()["revision"]?.integer else { throw TestKitError("/v1/status has no revision") }
        return revision
    }

    /// Waits until `count` proxy nodes are up and no other is left over.
    package func waitForProxies(_ count: Int, within: Duration = .seconds(15)) throws {
        try Eventually.holds("\(count) proxy nodes up", within: within, every: .milliseconds(30)) {
            let nodes = try proxies()
            return nodes.count == count && nodes.allSatisfy { $0["state"]?.text == "up" }
        }
    }
}
