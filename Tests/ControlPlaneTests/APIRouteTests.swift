import Foundation
import Testing

@testable import ControlPlane

@Suite("Routes of the API")
struct APIRouteTests {
    @Test(
        "a path and a method lead to one operation",
        arguments: [
            ("GET", "/v1/status", "status"), ("HEAD", "/v1/status", "status"), ("POST", "/v1/revisions", "apply"),
            ("GET", "/v1/revisions", "revisions"), ("POST", "/v1/nodes/proxy-1/drain", "drainNode"),
            ("POST", "/v1/pools/app/endpoints/127.0.0.1:80/resume", "resumeEndpoint"), ("PUT", "/v1/scale", "scale"),
            ("GET", "/metrics", "metrics"), ("GET", "/openapi.json", "description"),
        ])
    func matches(method: String, path: String, operation: String) {
        guard case .route(let route, _) = APIRoute.match(method: method, path: path) else {
            Issue.record("\(method) \(path) leads nowhere")
            return
        }
        #expect("\(route.operation)" == operation)
    }

    @Test("segments are decoded after the path is cut, so a Unix socket can be named")
    func decodesParameters() {
        let path = "/v1/pools/a%20b/endpoints/unix%3A%2Frun%2Fx.sock/drain"
        guard case .route(_, let parameters) = APIRoute.match(method: "POST", path: path) else {
            Issue.record("no match")
            return
        }
        #expect(parameters == ["pool": "a b", "address": "unix:/run/x.sock"])
        #expect(PercentEncoding.encode("unix:/run/x.sock") == "unix%3A%2Frun%2Fx.sock")
    }

    @Test("a known path with another method says which ones there are")
    func listsMethods() {
        guard case .otherMethod(let allowed) = APIRoute.match(method: "DELETE", path: "/v1/revisions") else {
            Issue.record("no such answer")
            return
        }
        #expect(allowed == ["GET", "HEAD", "POST"])
    }

    @Test(
        "nothing else is a path of the API",
        arguments: [
            "/", "", "v1/status", "/v1/status/", "/v1//status", "/V1/status", "/v1/nodes//drain", "/v1/nodes/%zz/drain",
            "/v1/nodes/%ff/drain", "/v1/nodes/a/b/drain",
        ])
    func refuses(path: String) {
        guard case .none = APIRoute.match(method: "POST", path: path) else {
            Issue.record("\(path) leads somewhere")
            return
        }
    }

    @Test("the description names every operation, and every schema that it refers to exists")
    func describesAll() throws {
        let object = try JSONSerialization.jsonObject(with: Data(OpenAPI.document)) as? [String: Any]
        let paths = try #require(object?["paths"] as? [String: [String: Any]])
        for route in APIRoute.all { #expect(paths[route.template]?[route.method.rawValue.lowercased()] != nil) }
        #expect(paths.values.map(\.count).reduce(0, +) == APIRoute.all.count)
        let text = String(decoding: OpenAPI.document, as: UTF8.self)
        let names = text.matches(of: /#\/components\/schemas\/(\w+)/).map { String($0.1) }
        #expect(!names.isEmpty)
        for name in names { #expect(APISchema.all[name] != nil, "no schema \(name)") }
    }
}
