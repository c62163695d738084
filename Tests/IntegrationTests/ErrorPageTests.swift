import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("Error pages")
    struct ErrorPageTests {
        @Test("answers of the proxy wear the site's pages, those of endpoints stay")
        func pages() throws {
            try Lab.run { lab in
                let app = try lab.http { _ in .response("theirs", status: "503 Busy") }
                let (port, unused) = (try Ports.unused(), try Ports.unused())
                let site = try lab.site(
                    """
                    proxy: {nodes: 1}
                    errors:
                      404: {body: "<h1>{status}</h1>{request_id}"}
                      5xx: {file: 5xx.txt, type: text/plain; charset=utf-8}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {name: app, match: {path: /app}, to: app}
                      - {name: gone, match: {path: /gone}, to: gone}
                      - {name: own, match: {path: /own}, to: gone, errors: {502: {body: '{"status": {status}}', type: application/json}}}
                    pools:
                      app: {endpoints: ["\(app.address)"]}
                      gone: {endpoints: ["127.0.0.1:\(unused)"]}
                    """, start: false)
                try site.directory.write("sorry: {status}\n", to: "5xx.txt")
                try site.start()
                let client = try HTTPConnection(to: port)
                let missing = try client.request("/nothing")
                #expect(missing.status == 404)
                #expect(missing.head["Content-Type"] == "text/html")
                let id = try #require(missing.head["X-Request-Id"])
                #expect(missing.text == "<h1>404</h1>\(id)")
                let gone = try client.request("/gone")
                #expect(gone.status == 502)
                #expect(gone.head["Content-Type"] == "text/plain; charset=utf-8")
                #expect(gone.text == "sorry: 502\n")
                let own = try client.request("/own")
                #expect(own.text == #"{"status": 502}"#)
                #expect(own.head["Content-Type"] == "application/json")
                let head = try client.request("HEAD", "/own")
                #expect(head.head["Content-Length"] == "15")
                #expect(try client.request("/app").text == "theirs")
            }
        }
    }
}
