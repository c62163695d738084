import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// `protocol: tcp`: bytes from client to endpoint and back, none of them read.
    @Suite("A TCP listener relays to a pool")
    struct RelayTests {
        private static let echo: @Sendable (ScriptedConnection) throws -> Void = { connection in
            while true {
                let bytes = try connection.receive()
                if bytes.isEmpty { return }
                try connection.socket.send(bytes)
            }
        }

        private func withRelay(
            to serve: @escaping @Sendable (ScriptedConnection) throws -> Void,
            _ body: (TCPSocket, ScriptedEndpoint) throws -> Void
        ) throws {
            try Lab.run { lab in
                let (endpoint, port) = (try lab.scripted(serve: serve), try Ports.unused())
                _ = try lab.site(SiteText.tcp(port, to: [endpoint.address]))
                try body(try TCPSocket(connectingTo: port), endpoint)
            }
        }

        @Test("SIGTERM: what is relayed goes on, and nothing new is taken")
        func termination() throws {
            try Lab.run { lab in
                let (endpoint, port) = (try lab.scripted(serve: Self.echo), try Ports.unused())
                let site = try lab.site(SiteText.tcp(port, to: [endpoint.address]))
                let client = try TCPSocket(connectingTo: port)
                try client.send("before")
                #expect(try client.receive(exactly: 6) == Array("before".utf8))
                site.signal(SIGTERM)
                try Eventually.holds("new connections to be refused") {
                    do {
                        try TCPSocket(connectingTo: port).close()
                        return false
                    } catch let error as SystemCallError {
                        return error.errno == ECONNREFUSED
                    }
                }
                try client.send("after")
                #expect(try client.receive(exactly: 5) == Array("after".utf8))
                client.close()
                #expect(try site.waitForExit() == .exited(0))
            }
        }

        @Test("bytes go there and back, one at a time and many")
        func echoes() throws {
            try withRelay(to: Self.echo) { client, _ in
                for byte in UInt8(0)...255 {
                    try client.send([byte])
                    let answer = try client.receive(exactly: 1)
                    #expect(answer == [byte])
                }
                let block = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                // Small enough to wait in the socket buffers while nobody reads.
                for start in stride(from: 0, to: block.count, by: 20_000) {
                    let part = Array(block[start..<(start + 20_000)])
                    try client.send(part)
                    let answer = try client.receive(exactly: part.count)
                    #expect(answer == part)
                }
            }
        }

        @Test("an endpoint that speaks first is heard")
        func endpointSpeaksFirst() throws {
            try withRelay(to: {
                try $0.socket.send("220 ready\r\n"); _ = try $0.receive()
            }) { client, _ in
                let greeting = try client.receive(exactly: 11)
                #expect(String(decoding: greeting, as: UTF8.self) == "220 ready\r\n")
            }
        }

        @Test("a client that has ended its half still gets the answer")
        func clientHalfClose() throws {
            let serve: @Sendable (ScriptedConnection) throws -> Void = { connection in
                var count = 0
                while case let bytes = try connection.receive(), !bytes.isEmpty { count += bytes.count }
                try connection.socket.send("\(count) bytes")
            }
            try withRelay(to: serve) { client, _ in
                try client.send("question")
                client.shutdownWrite()
                let answer = try client.receiveToEnd()
                #expect(String(decoding: answer, as: UTF8.self) == "8 bytes")
            }
        }

        @Test("an endpoint that has ended its half still hears the client")
        func endpointHalfClose() throws {
            let done = Gate()
            let serve: @Sendable (ScriptedConnection) throws -> Void = { connection in
                try connection.socket.send("bye")
                connection.socket.shutdownWrite()
                while case let bytes = try connection.receive(), !bytes.isEmpty {}
                done.open()
            }
            try withRelay(to: serve) { client, endpoint in
                let farewell = try client.receiveToEnd()
                #expect(String(decoding: farewell, as: UTF8.self) == "bye")
                try client.send("still here")
                client.shutdownWrite()
                try done.wait(within: .seconds(5))
                #expect(endpoint.receivedText == "still here")
            }
        }

        @Test("a client's reset reaches the endpoint as a reset")
        func clientReset() throws {
            try withRelay(to: Self.echo) { client, endpoint in
                try client.send("x")
                _ = try client.receive(exactly: 1)
                client.reset()
                try Eventually.holds("a reset at the endpoint", within: .seconds(5)) {
                    endpoint.failures.contains { $0.contains("reset") }
                }
            }
        }

        @Test("an endpoint's reset reaches the client as a reset")
        func endpointReset() throws {
            try withRelay(to: {
                _ = try $0.receive(); $0.socket.reset()
            }) { client, _ in
                try client.send("x")
                let error = #expect(throws: SystemCallError.self) { try client.receive() }
                #expect(error?.errno == ECONNRESET)
            }
        }

        @Test("64 MiB up and 64 MiB down, with the same checksum")
        func bulk() throws {
            let directory = try TemporaryDirectory()
            let file = try BigFile(mebibytes: 64, in: directory)
            let serve: @Sendable (ScriptedConnection) throws -> Void = { connection in
                let digest = try Digest()
                var left = file.bytes
                while left > 0 {
                    let bytes = try connection.socket.receive(upTo: min(left, 262_144))
                    if bytes.isEmpty { throw TestKitError("the upload ended \(left) bytes early") }
                    try bytes.withUnsafeBytes { try digest.update($0) }
                    left -= bytes.count
                }
                try connection.socket.send(try digest.finish())
                try connection.socket.send(try Data(contentsOf: URL(fileURLWithPath: file.path)))
                connection.socket.shutdownWrite()
                _ = try connection.socket.receive()
            }
            try withRelay(to: serve) { client, _ in
                try client.send(try Data(contentsOf: URL(fileURLWithPath: file.path)))
                let uploaded = try client.receive(exactly: 64)
                #expect(String(decoding: uploaded, as: UTF8.self) == file.digest)
                let digest = try Digest()
                var count = 0
                while case let bytes = try client.receive(upTo: 262_144), !bytes.isEmpty {
                    try bytes.withUnsafeBytes { try digest.update($0) }
                    count += bytes.count
                }
                #expect(count == file.bytes)
                #expect(try digest.finish() == file.digest)
            }
        }

        @Test("a reader that stops stops the writer: nothing piles up in between")
        func backPressure() throws {
            let gate = Gate()
            let serve: @Sendable (ScriptedConnection) throws -> Void = { connection in
                try gate.wait()
                var count = 0
                while case let bytes = try connection.socket.receive(upTo: 262_144), !bytes.isEmpty {
                    count += bytes.count
                }
                try connection.socket.send("\(count)")
            }
            try withRelay(to: serve) { client, _ in
                client.setTimeout(.milliseconds(500))
                let block = [UInt8](repeating: 1, count: 1 << 20)
                var sent = 0
                // Socket buffers of four sockets hold some MiB at most; 256 MiB would be a heap without a bound.
                var stopped = false
                while sent < 256 << 20, !stopped {
                    let count = block.withUnsafeBytes {
                        send(client.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                    }
                    if count < 0 { stopped = errno == EAGAIN } else { sent += count }
                    try #require(count >= 0 || stopped, "send: errno \(errno)")
                }
                #expect(stopped, "\(sent) bytes were taken although nobody read")
                gate.open()
                client.setTimeout(.seconds(10))
                client.shutdownWrite()
                let total = try client.receiveToEnd()
                #expect(String(decoding: total, as: UTF8.self) == "\(sent)")
            }
        }

        @Test("an endpoint that refuses is passed over for the next")
        func refused() throws {
            try Lab.run { lab in
                let endpoint = try lab.scripted(serve: Self.echo)
                let (refusing, port) = (try Ports.unused(), try Ports.unused())
                _ = try lab.site(SiteText.tcp(port, to: ["127.0.0.1:\(refusing)", endpoint.address]))
                for _ in 0..<20 {
                    let client = try TCPSocket(connectingTo: port)
                    try client.send("x")
                    #expect(try client.receive(exactly: 1) == Array("x".utf8))
                }
                #expect(endpoint.accepted == 20)
            }
        }

        @Test("with every endpoint refusing, the client is closed at once")
        func allRefused() throws {
            try Lab.run { lab in
                let (first, second, port) = (try Ports.unused(), try Ports.unused(), try Ports.unused())
                _ = try lab.site(SiteText.tcp(port, to: ["127.0.0.1:\(first)", "127.0.0.1:\(second)"]))
                let client = try HTTPConnection(to: port, timeout: .seconds(5))
                #expect(try client.isClosedByPeer())
            }
        }
    }
}
