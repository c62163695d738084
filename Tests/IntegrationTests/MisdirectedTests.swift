import TestKit
import Testing

extension IntegrationTests {
    @Suite("Misdirected requests, RFC 9110 §7.4")
    struct MisdirectedTests {
        @Test("an https target on a plain connection: 421, no endpoint hears of it, and the connection goes on")
        func plain() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try HTTPConnection(to: port)
                for target in ["https://a.example/x", "HTTPS://a.example", "https://a.example:80/"] {
                    #expect(try client.request(target, host: "a.example").status == 421, "\(target)")
                }
                #expect(app.requests.isEmpty)
                #expect(try client.request("http://a.example/x", host: "a.example").status == 200)
                #expect(try client.request("/https://a.example", host: "a.example").status == 200)
            }
        }

        @Test("a trusted gateway may have had it on a secured connection")
        func trusted() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                _ = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, top: "trust: {proxies: [127.0.0.1/32]}"))
                #expect(try HTTPConnection(to: port).request("https://a.example/x", host: "a.example").status == 200)
                #expect(app.requests.first?.head["Host"] == "a.example")
            }
        }
    }
}
