import TestKit
import Testing

extension IntegrationTests {
    /// Making a ticket costs, and one that is missing costs a handshake.
    @Suite("How many session tickets a client gets")
    struct TicketTests {
        enum Client: String, CaseIterable {
            /// HTTP/1.1: connections beside this one may take up a session each.
            case stays
            /// The same, and it asks for the end with its request.
            case leaves
            /// HTTP/2: one connection is all it needs.
            case multiplexes
            /// It has taken up a session, and gets a ticket for the one that it has used.
            case resumes
            /// Tickets of TLS 1.2 come within the handshake.
            case speaksTLS12

            /// After the handshake and a first answer, and after a second one if it stays.
            var tickets: [Int] {
                switch self {
                case .stays: [2, 2]
                case .leaves: [2]
                case .multiplexes: [1]
                case .resumes, .speaksTLS12: [1, 1]
                }
            }
        }

        /// Prints how many NewSessionTicket messages have come after each answer.
        private static func script(_ port: UInt16, _ client: Client) -> String {
            """
            import socket, ssl
            client, tickets = "\(client)", 0
            context = ssl._create_unverified_context()
            if client == "speaksTLS12": context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["h2" if client == "multiplexes" else "http/1.1"])
            def see(connection, direction, version, content, message, data):
                global tickets
                if direction == "read" and content == 22 and message == 4: tickets += 1
            context._msg_callback = see
            def connect(session=None):
                return context.wrap_socket(socket.create_connection(("127.0.0.1", \(port)), timeout=10),
                                           server_hostname="shop.example", session=session)
            def ask(s, field=""):
                s.sendall(f"GET / HTTP/1.1\\r\\nHost: a\\r\\n{field}\\r\\n".encode())
                receive(s)
            def receive(s):
                text = b""
                while not text.endswith(b"hello"):
                    part = s.recv(4096)
                    if not part: raise SystemExit(f"ended after {text}")
                    text += part
            s = connect()
            if client == "resumes":
                ask(s)
                session, tickets = s.session, 0
                s = connect(session)
                assert s.session_reused
            if client == "multiplexes":
                s.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) +
                          bytes([0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x87, 0x84, 0x41, 1]) + b"a")
                receive(s)
                print(tickets)
            elif client == "leaves":
                ask(s, "Connection: close\\r\\n")
                assert not s.recv(1)
                print(tickets)
            else:
                for _ in range(2):
                    ask(s)
                    print(tickets)
            """
        }

        @Test("as many as it has use for", arguments: Client.allCases)
        func count(client: Client) throws {
            try Lab.run { lab in
                let (app, port) = (try lab.http("app") { _ in .response("hello") }, try Ports.unused())
                _ = try HTTPSTests.site(lab, port, to: [app.address], tls: "alpn: [h2, http/1.1]")
                let said = try Command.succeed(["python3", "-c", Self.script(port, client)])
                #expect(said.split(separator: "\n").map { Int($0) } == client.tickets)
            }
        }
    }
}
