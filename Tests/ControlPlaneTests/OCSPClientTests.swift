import Foundation
import NIOCore
import TestKit
import Testing

@testable import ControlPlane
@testable import TLS

@Suite("Asking OCSP responders by HTTP", .timeLimit(.minutes(1)))
struct OCSPClientTests {
    private func ask(
        _ port: UInt16, host: String = "127.0.0.1", timeout: TimeAmount = .seconds(10)
    ) async -> Result<[UInt8], FetchFailure> {
        let responder = OCSPResponder("http://\(host):\(port)/ocsp?a=b")!
        let question = OCSPQuestion(responder: responder, request: [0x30, 0, 255], issuer: [])
        return await OCSPClient(timeout: timeout).answer(to: question)
    }

    /// What a responder that answers with these bytes gives.
    private func answer(_ text: String, closes: Bool = true, timeout: TimeAmount = .seconds(10)) async throws -> Result<
        [UInt8], FetchFailure
    > {
        let responder = try HTTPEndpoint("responder") { _ in .raw(text, closes: closes) }
        defer { responder.endpoint.stop() }
        return await ask(responder.port, timeout: timeout)
    }

    @Test("one POST with the request as it is, and one connection", arguments: ["127.0.0.1", "localhost"])
    func request(host: String) async throws {
        let responder = try HTTPEndpoint("responder") { _ in .response("answer") }
        defer { responder.endpoint.stop() }
        #expect(await ask(responder.port, host: host) == .success(Array("answer".utf8)))
        let request = try #require(responder.requests.first)
        #expect(request.head.startLine == "POST /ocsp?a=b HTTP/1.1")
        #expect(request.head["Host"] == "\(host):\(responder.port)")
        #expect(request.head["Content-Type"] == "application/ocsp-request")
        #expect(Array(request.body) == [0x30, 0, 255])
        #expect(responder.accepted == 1)
    }

    @Test(
        "an answer is what stands in its body, however that is framed",
        arguments: [
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer", "HTTP/1.0 200 OK\r\n\r\nanswer",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nans\r\n3\r\nwer\r\n0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nanswer",
        ])
    func framing(text: String) async throws {
        #expect(try await answer(text) == .success(Array("answer".utf8)))
    }

    @Test(
        "another status, a redirect among them, is a failure with its number", arguments: [204, 301, 302, 404, 500])
    func status(status: Int) async throws {
        let text = "HTTP/1.1 \(status) X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        #expect(try await answer(text) == .failure(.init(reason: "the responder answers with status \(status)")))
    }

    @Test(
        "what is no whole answer of HTTP is a failure",
        arguments: [
            "", "HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\nanswer", "SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nConte",
        ])
    func broken(text: String) async throws {
        guard case .failure = try await answer(text) else {
            Issue.record("\(text) was taken")
            return
        }
    }

    @Test("the longest answer", arguments: [-1, 0, 1], [true, false])
    func longest(more: Int, isChunked: Bool) async throws {
        let count = OCSPClient.bytesMax + more
        let body = String(repeating: "x", count: count)
        let text =
            isChunked
            ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(String(count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
            : "HTTP/1.1 200 OK\r\nContent-Length: \(count)\r\n\r\n\(body)"
        let expected: Result<[UInt8], FetchFailure> =
            more <= 0
            ? .success(Array(body.utf8))
            : .failure(.init(reason: "the answer has more than \(OCSPClient.bytesMax) bytes"))
        #expect(try await answer(text, closes: false) == expected)
    }

    @Test("who doesn't answer, or only begins to, is given up after the time for everything together")
    func silence() async throws {
        for text in ["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nansw", "HTTP/1.1 200 OK\r\n"] {
            let begin = ContinuousClock.now
            let silent = try await answer(text, closes: false, timeout: .seconds(1))
            #expect(silent == .failure(.init(reason: "no answer within 1 s")))
            #expect(ContinuousClock.now - begin < .seconds(20))
        }
    }

    @Test("nobody there, no such name")
    func unreachable() async throws {
        #expect(await ask(try Ports.unused()) == .failure(.init(reason: "cannot connect: Connection refused")))
        let nameless = await ask(80, host: "nobody.invalid")
        guard case .failure(let failure) = nameless else {
            Issue.record("\(nameless)")
            return
        }
        #expect(failure.reason.hasPrefix("cannot connect: ") || failure.reason.hasPrefix("no answer"), "\(failure)")
    }
}
