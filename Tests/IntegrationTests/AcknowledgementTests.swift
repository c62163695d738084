import Foundation
import Synchronization
import TestKit
import Testing

extension IntegrationTests {
    /// Responses that stay in their socket's queue until the next request acknowledges them.
    @Suite("Acknowledgements by the next request")
    struct AcknowledgementTests {
        /// Answers on connections that are kept. The target says how:
        ///
        ///     /small                head and body in two segments
        ///     /body/COUNT           a head, then so many bytes, in two segments or more
        ///     /split                the head itself in two
        ///     /chunked              four chunks, each in a segment
        ///     /close                as /small, then FIN
        ///     /stray                as /small, then bytes that nobody asked for
        ///
        /// Its pauses keep segments apart; what is expected holds for any length of them.
        private final class Endpoint: Sendable {
            let sockets = Mutex<[TCPSocket]>([])
            /// Connections that ended in order: without RST.
            let ended = Mutex(0)

            var bareSegments: Int { sockets.withLock { $0.map(\.bareSegmentsReceived).reduce(0, +) } }

            func serve(_ connection: ScriptedConnection) throws {
                let socket = connection.socket
                sockets.withLock { $0.append(socket) }
                let reader = HTTPReader(socket)
                while let head = try reader.head() {
                    _ = try reader.body(.ofRequest(head))
                    let words = head.target.split(separator: "/")
                    switch words.first {
                    case "body":
                        let count = Int(words[1]) ?? 0
                        try socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\n\r\n")
                        try socket.send(Endpoint.body(count))
                    case "split":
                        try socket.send("HTTP/1.1 200 OK\r\nX-Half: 1\r\n")
                        usleep(2000)
                        try socket.send("Content-Length: 5\r\n\r\nsplit")
                    case "chunked":
                        try socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                        for _ in 0..<4 {
                            try socket.send("3\r\nabc\r\n")
                            usleep(1000)
                        }
                        try socket.send("0\r\n\r\n")
                    case "close":
                        try small(socket)
                        socket.shutdownWrite()
                    case "stray":
                        try small(socket)
                        usleep(5000)
                        try socket.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray")
                    default: try small(socket)
                    }
                }
                ended.withLock { $0 += 1 }
            }

            private func small(_ socket: TCPSocket) throws {
                try socket.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
                try socket.send("small")
            }

            static func body(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7) } }
        }

        /// Asks on one connection until responses are left in the queue: most cost the endpoint's kernel no segment.
        private func warm(_ client: HTTPConnection, _ endpoint: Endpoint) throws {
            let count = 300
            for _ in 0..<20 {
                let before = endpoint.bareSegments
                for _ in 0..<count { try #require(client.request("/small").text == "small") }
                if endpoint.bareSegments - before < count / 3 { return }
            }
            Issue.record("after 6,000 requests there is still a segment without data for every third")
        }

        private func run(
            pool: String = "", resets: Bool = false, _ body: (HTTPConnection, Endpoint, ScriptedEndpoint) throws -> Void
        ) throws {
            try Lab.run { lab in
                let endpoint = Endpoint()
                let app = try lab.scripted { try endpoint.serve($0) }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1, pool: pool))
                let client = try HTTPConnection(to: port)
                try warm(client, endpoint)
                try body(client, endpoint, app)
                #expect(app.failures.isEmpty != resets, "\(app.failures)")
            }
        }

        @Test("responses whose head and body come apart cost no segments of their own")
        func savesSegments() throws {
            try run { _, _, app in #expect(app.accepted == 1) }
        }

        @Test("responses of every length and form come whole")
        func wholeResponses() throws {
            try run { client, _, app in
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n".utf8.count
                // What may be left in the queue, less one, exactly, and one more.
                let post = "POST /small HTTP/1.1\r\nHost: test.example\r\nContent-Length: 4\r\n\r\nbody"
                for count in [0, 1, 4096 - head - 1, 4096 - head, 4096 - head + 1, 16_384, 70_000, 300_000] {
                    for _ in 0..<3 {
                        let response = try client.request("/body/\(count)")
                        #expect(response.body == Data(Endpoint.body(count)), "\(count)")
                        let next = try client.request("/small")
                        #expect(next.text == "small")
                    }
                }
                for _ in 0..<5 {
                    let (split, chunked) = (try client.request("/split"), try client.request("/chunked"))
                    #expect(split.text == "split" && chunked.text == "abcabcabcabc")
                    let posted = try client.exchange(post, method: "POST")
                    #expect(posted.text == "small")
                }
            }
        }

        @Test("an endpoint that closes behind its response is seen to", arguments: ["GET", "POST"])
        func endpointCloses(method: String) throws {
            try run { client, endpoint, app in
                let last = try client.request("/close")
                #expect(last.text == "small")
                try Eventually.holds("the connection to be closed in order", within: .seconds(5)) {
                    endpoint.ended.withLock { $0 } == 1
                }
                let bytes = "\(method) /small HTTP/1.1\r\nHost: test.example\r\nContent-Length: 0\r\n\r\n"
                let next = try client.exchange(bytes, method: method)
                #expect(next.text == "small")
                #expect(app.accepted == 2)
            }
        }

        @Test("bytes that nobody asked for end the connection")
        func strayBytes() throws {
            // Bytes that nobody reads make for RST.
            try run(resets: true) { client, _, app in
                let last = try client.request("/stray")
                #expect(last.text == "small")
                try Eventually.holds("the connection to be closed", within: .seconds(5)) { !app.failures.isEmpty }
                let next = try client.request("/body/9")
                #expect(next.body == Data(Endpoint.body(9)))
                #expect(app.accepted == 2)
            }
        }

        @Test("an idle connection is closed in order, not by RST")
        func closesInOrder() throws {
            try run(pool: "connections: {idle: 300ms}") { _, endpoint, _ in
                try Eventually.holds("the idle connection to be closed in order", within: .seconds(10)) {
                    endpoint.ended.withLock { $0 } == 1
                }
            }
        }
    }
}
