import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
package import TLS

/// Asks OCSP responders. Tests have their own.
package protocol OCSPAsking: Sendable {
    /// - Returns: What was answered, not yet checked.
    func answer(to question: OCSPQuestion) async -> Result<[UInt8], FetchFailure>
}

/// Asks by HTTP (RFC 6960 appendix A): a connection, one POST, one answer. Redirects are not followed.
package struct OCSPClient: OCSPAsking {
    /// Of an answer's body; those of public authorities have 300 to 2,500.
    static let bytesMax = 64 * 1024

    /// For the connection, and for everything together: lookup, connection and answer.
    private let timeout: TimeAmount

    package init() { self.init(timeout: .seconds(10)) }

    init(timeout: TimeAmount) { self.timeout = timeout }

    package func answer(to question: OCSPQuestion) async -> Result<[UInt8], FetchFailure> {
        let responder = question.responder
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let answer = loop.makePromise(of: [UInt8].self)
        let seconds = timeout.nanoseconds / 1_000_000_000
        let deadline = loop.scheduleTask(in: timeout) {
            answer.fail(FetchFailure(reason: "no answer within \(seconds) s"))
        }
        let connected = ClientBootstrap(group: loop).connectTimeout(timeout)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandlers([
                        NIOHTTPClientResponseAggregator(maxContentLength: OCSPClient.bytesMax),
                        OneAnswer(question, answer),
                    ])
                }
            }
            .connect(host: responder.host, port: Int(responder.port))
        connected.whenFailure { error in answer.fail(FetchFailure(reason: "cannot connect: \(OCSPClient.words(error))"))
        }
        defer {
            deadline.cancel()
            // Also one that is established only later.
            connected.whenSuccess { $0.close(promise: nil) }
        }
        do {
            return .success(try await answer.futureResult.get())
        } catch {
            return .failure(error as? FetchFailure ?? FetchFailure(reason: OCSPClient.words(error)))
        }
    }

    fileprivate static func words(_ error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let failure = error.connectionErrors.first { words(failure.error) } else { "the name doesn't resolve" }
        case ChannelError.connectTimeout(let time): "no connection within \(time.nanoseconds / 1_000_000_000) s"
        case let error as IOError: error.errnoCode == 0 ? "\(error)" : String(cString: strerror(error.errnoCode))
        case let error as NIOHTTPObjectAggregatorError where error == .frameTooLong:
            "the answer has more than \(bytesMax) bytes"
        case is HTTPParserError: "the answer is not HTTP: \(error)"
        default: "\(error)"
        }
    }
}

/// Sends the question when it is connected, and waits for the whole answer.
private final class OneAnswer: ChannelInboundHandler {
    typealias InboundIn = NIOHTTPClientResponseFull
    typealias OutboundOut = HTTPClientRequestPart

    private let question: OCSPQuestion
    private let answer: EventLoopPromise<[UInt8]>

    init(_ question: OCSPQuestion, _ answer: EventLoopPromise<[UInt8]>) {
        self.question = question
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: question.responder.target)
        head.headers = [
            "Host": question.responder.authority, "Content-Type": "application/ocsp-request",
            "Content-Length": "\(question.request.count)", "Accept": "application/ocsp-response",
            "User-Agent": "sluice/\(Version.text)", "Connection": "close",
        ]
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: question.request)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let response = unwrapInboundIn(data)
        if response.head.status == .ok {
            answer.succeed(response.body.map { Array($0.readableBytesView) } ?? [])
        } else {
            answer.fail(FetchFailure(reason: "the responder answers with status \(response.head.status.code)"))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        // After an answer this is nothing.
        answer.fail(FetchFailure(reason: "the connection was closed before the answer was complete"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answer.fail(FetchFailure(reason: OCSPClient.words(error)))
        context.close(promise: nil)
    }
}
