import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("HTTP/2 inside of TLS, by ALPN")
    struct HTTP2OverTLSTests {
        private func withSite(_ body: (UInt16, HTTPEndpoint, [String]) throws -> Void) throws {
            try Lab.run { lab in
                let text = String(repeating: "0123456789", count: 100_000)
                let app = try lab.http("app") { request in
                    switch request.head.target {
                    case "/large": .response(text)
                    case "/up": .response("\(request.body.count)")
                    default: .response("app")
                    }
                }
                let port = try Ports.unused()
                let (_, authority) = try HTTPSTests.site(lab, port, to: [app.address], tls: "alpn: [h2, http/1.1]")
                try body(
                    port, app,
                    ["--cacert", authority.certificate, "--resolve", "shop.example:\(port):127.0.0.1", "--http2"])
            }
        }

        @Test("a client that offers h2 gets it, one that doesn't gets HTTP/1.1; the endpoint learns that it was https")
        func negotiation() throws {
            try withSite { port, app, arguments in
                let url = "https://shop.example:\(port)"
                let second = try Curl.request("\(url)/a", arguments: arguments)
                #expect(second.head.startLine.hasPrefix("HTTP/2 200"), "\(second)")
                let first = try Curl.request("\(url)/b", arguments: arguments.dropLast() + ["--http1.1"])
                #expect(first.head.startLine.hasPrefix("HTTP/1.1 200"), "\(first)")
                #expect(app.requests.map { $0.head["x-forwarded-proto"] } == ["https", "https"])
                #expect(app.requests.map { $0.head["via"] } == ["2.0 sluice", "1.1 sluice"])
            }
        }

        @Test("large bodies both ways")
        func largeBodies() throws {
            try withSite { port, _, arguments in
                let url = "https://shop.example:\(port)"
                let down = try Curl.request("\(url)/large", arguments: arguments)
                #expect(down.exitCode == 0 && down.body.count == 1_000_000, "\(down.body.count) \(down.errors)")
                let up = try Curl.request("\(url)/up", body: Data(count: 1_000_000), arguments: arguments)
                #expect(up.text == "1000000", "\(up)")
            }
        }

        @Test("ten connections with 32 streams each")
        func load() throws {
            try withSite { port, _, _ in
                let text = try Command.succeed(
                    [
                        "h2load", "--requests=2000", "--clients=10", "--max-concurrent-streams=32",
                        "https://localhost:\(port)/",
                    ], within: .seconds(60))
                #expect(text.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(text)")
                #expect(text.contains("Application protocol: h2"), "\(text)")
            }
        }
    }
}
