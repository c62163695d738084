import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// The door of a node on another host: whoever gets in there can claim any client address.
    @Suite("Who may relay to a node, and how")
    struct RemoteNodeTests {
        /// What a forwarder says of a client that came in by the listener on `port`.
        private static func header(to port: UInt16) -> [UInt8] {
            ProxyHeader.version2(source: ("192.0.2.1", 40_000), destination: ("127.0.0.1", port))
        }

        /// Starts a node that takes relayed connections from `forwarders` and waits until the control plane sees it up.
        private func withNode(
            forwarders: String, _ body: (_ node: UInt16, _ listener: UInt16, HTTPEndpoint) throws -> Void
        ) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http(), try Ports.unused())
                let site = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let node = try lab.remoteNode("remote-1", of: site, forwarders: forwarders)
                try Eventually.holds("remote-1 to be up") { try site.control.node("remote-1")?["state"]?.text == "up" }
                try body(try #require(node.address.split(separator: ":").last.flatMap { UInt16($0) }), port, app)
            }
        }

        @Test("a forwarder's connection is served, for the client that its header names")
        func forwarder() throws {
            try withNode(forwarders: "127.0.0.0/8") { port, listener, app in
                let client = try HTTPConnection(to: port)
                try client.socket.send(Self.header(to: listener))
                for _ in 0..<2 {
                    let response = try client.request("/")
                    #expect(response.status == 200)
                }
                #expect(app.requests.map { $0.head["X-Forwarded-For"] } == ["192.0.2.1", "192.0.2.1"])
                #expect(app.requests.map { $0.head["X-Real-IP"] } == ["192.0.2.1", "192.0.2.1"])
            }
        }

        @Test("a header that comes byte by byte is understood")
        func slowHeader() throws {
            try withNode(forwarders: "127.0.0.0/8") { port, listener, app in
                let client = try HTTPConnection(to: port)
                for byte in Self.header(to: listener) { try client.socket.send([byte]) }
                let response = try client.request("/")
                #expect(response.status == 200)
                #expect(app.requests.first?.head["X-Real-IP"] == "192.0.2.1")
            }
        }

        @Test("a stranger is closed, header or not")
        func stranger() throws {
            try withNode(forwarders: "10.0.0.0/8") { port, listener, app in
                let client = try HTTPConnection(to: port)
                let served = try statusUnlessClosed {
                    try client.socket.send(Self.header(to: listener))
                    return try client.request("/")
                }
                #expect(served == nil)
                #expect(app.requests.isEmpty)
            }
        }

        @Test(
            "what is no PROXY v2 header is closed",
            arguments: [
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "PROXY TCP4 192.0.2.1 198.51.100.1 40000 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "\r\n\r\n\0\r\nQUIT\n\u{31}\u{11}\0\u{0c}aaaabbbbccddGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\u{04}aaaaGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            ])
        func malformed(bytes: String) throws {
            try withNode(forwarders: "127.0.0.0/8") { port, listener, app in
                let client = try HTTPConnection(to: port)
                let served = try statusUnlessClosed { try client.exchange(bytes) }
                #expect(served == nil)
                #expect(app.requests.isEmpty)
            }
        }

        /// The status of an answer; nil when the node closed the connection, as a send or the receive found.
        ///
        /// - Throws: `SystemCallError` with `EAGAIN` when it neither answered nor closed.
        private func statusUnlessClosed(_ exchange: () throws -> HTTPResponse) throws -> Int? {
            do {
                return try exchange().status
            } catch let error as SystemCallError where error.errno == EAGAIN {
                throw error
            } catch {
                return nil
            }
        }
    }
}
