import ControlPlane
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// One request at a time to the control plane over its Unix socket.
struct APIClient: Sendable {
    let socket: String

    /// A whole answer.
    struct Answer: Sendable {
        var status: UInt
        var body: [UInt8]

        var isSuccess: Bool { (200..<300).contains(status) }
    }

    /// - Throws: `CommandFailure` when no control plane answers.
    func send(_ method: HTTPMethod, _ target: String, body: [UInt8] = []) async throws -> Answer {
        let channel: NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart>
        do {
            channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connect(unixDomainSocketPath: socket) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHTTPClientHandlers()
                        return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                    }
                }
        } catch {
            throw noAnswer(error)
        }
        do {
            return try await channel.executeThenClose { inbound, outbound in
                var head = HTTPRequestHead(version: .http1_1, method: method, uri: target)
                // Without "Connection: close": the connection is closed here, once, and not by both sides at a time.
                head.headers = ["Host": "localhost", "Content-Length": "\(body.count)"]
                try await outbound.write(.head(head))
                if !body.isEmpty { try await outbound.write(.body(.byteBuffer(ByteBuffer(bytes: body)))) }
                try await outbound.write(.end(nil))
                var answer = Answer(status: 0, body: [])
                for try await part in inbound {
                    switch part {
                    case .head(let head): answer.status = head.status.code
                    case .body(let buffer): answer.body += buffer.readableBytesView
                    case .end: return answer
                    }
                }
                throw CommandFailure("the control plane on \(socket) closed the connection before it answered")
            }
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure("the control plane on \(socket) broke the connection: \(error)")
        }
    }

    /// - Returns: The answer's JSON as it came, and decoded.
    /// - Throws: `CommandFailure` with the message of an error answer.
    func read<Document: Decodable>(_: Document.Type, _ target: String) async throws -> (
        text: String, document: Document
    ) {
        let answer = try await send(.GET, target)
        return (String(decoding: answer.body, as: UTF8.self), try decode(Document.self, answer))
    }

    func decode<Document: Decodable>(_: Document.Type, _ answer: Answer) throws -> Document {
        guard answer.isSuccess else { throw CommandFailure(failure(of: answer).error.message) }
        do {
            return try APIHandler.decoder.decode(Document.self, from: Data(answer.body))
        } catch {
            throw CommandFailure(
                "the control plane on \(socket) answered something else than expected: is it of this version?")
        }
    }

    func failure(of answer: Answer) -> ErrorDocument {
        (try? APIHandler.decoder.decode(ErrorDocument.self, from: Data(answer.body)))
            ?? ErrorDocument(message: "the control plane answered with status \(answer.status)")
    }

    private func noAnswer(_ error: any Error) -> CommandFailure {
        if let error = error as? IOError, error.errnoCode == EACCES {
            return CommandFailure("the control plane's socket \(socket) is not open to you: be root, or in its group")
        }
        return CommandFailure(
            "no control plane answers on \(socket): is \"sluice run\" running, and with this --socket?")
    }
}
