import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Health checks by gRPC")
    struct GRPCHealthTests {
        private func site(_ port: UInt16, _ endpoints: [GRPCEndpoint], service: String) -> String {
            """
            site: test
            proxy: {nodes: 1}
            listeners:
              calls: {address: "127.0.0.1:\(port)", protocol: tcp, to: calls}
            pools:
              calls:
                endpoints: [\(SiteText.quoted(endpoints.map(\.address)))]
                balance: round-robin
                health: {grpc: "\(service)", interval: 200ms, timeout: 2s, rise: 2, fall: 2}
            """
        }

        private func wait(for state: String, of endpoint: GRPCEndpoint, in site: Site, pool: String = "calls") throws {
            try Eventually.holds("\(endpoint.name) to be \(state)", every: .milliseconds(30)) {
                try site.control.endpoint(pool, endpoint.address)?["state"]?.text == state
            }
        }

        private func reason(_ endpoint: GRPCEndpoint, in site: Site, pool: String = "calls") throws -> String? {
            try site.control.endpoint(pool, endpoint.address)?["reason"]?.text
        }

        @Test("calls follow what a real server says of its service", arguments: ["", "shop.v1.Cart"])
        func toggles(service: String) throws {
            try Lab.run { lab in
                let a = try lab.grpc("a", health: [service: .serving]),
                    b = try lab.grpc("b", health: [service: .serving])
                let port = try Ports.unused()
                let site = try lab.site(site(port, [a, b], service: service))
                for endpoint in [a, b] { try wait(for: "up", of: endpoint, in: site) }
                #expect(Set(try GRPCEndpoint.call(port, times: 4)) == ["a", "b"])
                try a.set([service: .notServing])
                try wait(for: "down", of: a, in: site)
                #expect(try reason(a, in: site) == "NOT_SERVING")
                #expect(try GRPCEndpoint.call(port, times: 4) == ["b", "b", "b", "b"])
                try a.set([service: .serving])
                try wait(for: "up", of: a, in: site)
                #expect(Set(try GRPCEndpoint.call(port, times: 4)) == ["a", "b"])
                #expect(try site.metric("sluice_probes_total", ["kind": "grpc", "result": "passed"]) > 4)
                #expect(try site.metric("sluice_probes_total", ["kind": "grpc", "result": "failed"]) >= 2)
            }
        }

        @Test("why a server is down: unknown service, unknown status, no health service, no gRPC, nobody")
        func reasons() throws {
            try Lab.run { lab in
                let unknown = try lab.grpc("unknown", health: ["shop": .unknown])
                let other = try lab.grpc("other", health: ["": .serving])
                let without = try lab.grpc("without", health: nil)
                let web = try lab.nginx("web")
                let port = try Ports.unused(), nobody = "127.0.0.1:\(try Ports.unused())"
                let endpoints = [unknown.address, other.address, without.address, web.address, nobody]
                let site = try lab.site(
                    SiteText.http(
                        port, to: endpoints, nodes: 1,
                        pool: "health: {grpc: shop, interval: 200ms, timeout: 2s, fall: 1}")
                )
                for (address, reason) in zip(
                    endpoints,
                    [
                        "UNKNOWN", "grpc-status 5 NOT_FOUND", "grpc-status 12 UNIMPLEMENTED", "answer is not HTTP/2",
                        "connect: Connection refused",
                    ])
                {
                    let shown = try Eventually.value("a verdict on \(address)", every: .milliseconds(30)) {
                        try site.control.endpoint("app", address).flatMap { $0["state"]?.text == "down" ? $0 : nil }
                    }
                    #expect(shown["reason"]?.text == reason, "\(shown)")
                }
                #expect(try site.command.succeed(["pools"]).contains("grpc-status 12 UNIMPLEMENTED"))
            }
        }

        @Test(
            "inside of TLS, with the pool's authority and name",
            arguments: [
                ("{ca: authority.pem, server_name: api.internal}", nil),
                ("{ca: authority.pem, server_name: other.internal}", "TLS: its certificate: hostname mismatch"),
            ] as [(String, String?)])
        func insideOfTLS(tls: String, reason: String?) throws {
            try Lab.run { lab in
                let site = try lab.site("", start: false)
                let authority = try TestAuthority(in: site.directory)
                try authority.issue("api", for: ["api.internal"])
                let endpoint = try lab.grpc(
                    "a", health: ["": .serving],
                    certificate: (site.directory.file("api.pem"), site.directory.file("api.key")))
                try site.rewrite(
                    SiteText.http(
                        try Ports.unused(), to: [endpoint.address], nodes: 1,
                        pool: "health: {grpc: \"\", interval: 200ms, timeout: 2s, fall: 1}, tls: \(tls)"))
                try site.start()
                try wait(for: reason == nil ? "up" : "down", of: endpoint, in: site, pool: "app")
                #expect(try self.reason(endpoint, in: site, pool: "app") == reason)
                guard reason == nil else { return }
                // A toggled service is seen by this way as well.
                try endpoint.set(["": .notServing])
                try wait(for: "down", of: endpoint, in: site, pool: "app")
                #expect(try self.reason(endpoint, in: site, pool: "app") == "NOT_SERVING")
            }
        }
    }
}
