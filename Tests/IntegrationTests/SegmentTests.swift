import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// What is sent at once: for a short answer, a segment costs more than all that is in it.
    @Suite("Segments")
    struct SegmentTests {
        /// When the client's first request comes, as seen from the end of its handshake.
        enum Request: String, CaseIterable {
            /// In the same segment: as most clients do, which have no reason to wait.
            case together
            /// A part in the same segment, the rest when the tickets are there.
            case half
            /// When the tickets are there.
            case later

            /// The server's part of the handshake; tickets, answer and close_notify, which wait for each other if the answer
            /// is on its way, and not if it isn't.
            var segments: Int { self == .together ? 2 : 3 }
            /// SYN and acknowledgements; no FIN, which comes with close_notify.
            var bareSegments: Int { self == .half ? 4 : 2 }
        }

        /// Prints the segments with data that the client got, and what was in them.
        private static func script(_ port: UInt16, _ request: Request) -> String {
            """
            import socket, ssl, struct
            context = ssl._create_unverified_context()
            s = socket.create_connection(("127.0.0.1", \(port)), timeout=10)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
            t = context.wrap_bio(received, sent, server_hostname="shop.example")
            def more():
                part = s.recv(65536)
                received.write(part) if part else received.write_eof()
            while True:
                try:
                    t.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    s.sendall(sent.read())
                    more()
            request = b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n"
            early = {"together": len(request), "half": 20, "later": 0}["\(request)"]
            if early: t.write(request[:early])
            s.sendall(sent.read())
            if early < len(request):
                tickets = 0
                while tickets < 2 * 200:
                    more()
                    tickets += received.pending
                    try: t.read()
                    except ssl.SSLWantReadError: pass
                t.write(request[early:])
                s.sendall(sent.read())
            text = b""
            while True:
                try: part = t.read()
                except ssl.SSLWantReadError:
                    more()
                    continue
                if not part: break
                text += part
            if s.recv(1): raise SystemExit("bytes behind the end")
            information = s.getsockopt(socket.IPPROTO_TCP, 11, 256)
            segments = struct.unpack_from("=I", information, 152)[0]
            # FIN comes without data when it isn't in the segment that had the last bytes.
            bare = struct.unpack_from("=I", information, 140)[0] - segments
            print(segments, bare, t.session.has_ticket, text.split(b"\\r\\n\\r\\n")[1].decode())
            """
        }

        @Test(
            "HTTPS: both tickets in one segment; with the answer and close_notify if that is on its way",
            arguments: Request.allCases)
        func handshake(request: Request) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app") { _ in .response("hello") }, try Ports.unused())
                _ = try HTTPSTests.site(lab, port, to: [app.address])
                // After 200 ms the kernel doesn't wait for the answer any more: the best of a few.
                var (fewest, fewestBare) = (Int.max, Int.max)
                for _ in 0..<5 {
                    let said = try Command.succeed(["python3", "-c", Self.script(port, request)])
                    let words = said.split(whereSeparator: \.isWhitespace)
                    #expect(words.dropFirst(2) == ["True", "hello"], "\(said)")
                    fewest = min(fewest, words.first.flatMap { Int($0) } ?? .max)
                    fewestBare = min(fewestBare, words.dropFirst().first.flatMap { Int($0) } ?? .max)
                }
                #expect(fewest == request.segments)
                #expect(fewestBare == request.bareSegments)
            }
        }

        @Test("the end of a connection comes with its last answer")
        func end() throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app") { _ in .response("hello") }, try Ports.unused())
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                var fewest = Int.max
                for _ in 0..<5 {
                    let client = try HTTPConnection(to: port)
                    let answer = try client.exchange("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                    #expect(answer.text == "hello")
                    #expect(try client.isClosedByPeer())
                    fewest = min(fewest, client.socket.bareSegmentsReceived)
                }
                #expect(fewest == 2, "SYN and the acknowledgement of the request; FIN came with the answer")
            }
        }
    }
}
