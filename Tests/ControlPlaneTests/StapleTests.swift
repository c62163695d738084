import EventLoop
import Foundation
import NodeLink
import SiteFile
import Snapshot
import Synchronization
import TLS
import TestKit
import Testing

@testable import ControlPlane

@Suite("Fetched OCSP responses over fake nodes", .timeLimit(.minutes(2)))
struct StapleTests {
    /// An authority with two certificates, and responders that answer as a test says.
    private final class Authority: Sendable {
        let records: OCSPRecords
        let directory = try! TemporaryDirectory()
        let responders: ScriptedResponders

        init() throws {
            let authority = try TestAuthority(in: directory)
            records = try OCSPRecords(of: authority)
            for name in ["shop", "api"] { try records.issue(name, for: ["\(name).example"], responder: 1) }
            try records.set(["shop": .good, "api": .good])
            responders = ScriptedResponders(records)
        }

        /// Two listeners; `shop` is a certificate of both.
        func site(_ more: String = "", shop: String = "ocsp: fetch", endpoint: Int = 9001) -> String {
            let shop = "{chain: \(directory.file("shop.pem")), key: \(directory.file("shop.key")), \(shop)}"
            return """
                site: shop
                proxy: {nodes: 1}
                listeners:
                  one: {address: "127.0.0.1:8443", protocol: https, tls: {certificates: [\(shop)\(more)]}}
                  two: {address: "127.0.0.1:8444", protocol: https, tls: {certificates: [\(shop)]}}
                routes: [{to: app}]
                pools: {app: {endpoints: ["127.0.0.1:\(endpoint)"]}}

                """
        }

        var api: String { ", {chain: \(directory.file("api.pem")), key: \(directory.file("api.key")), ocsp: fetch}" }
    }

    /// The responses that a node has, by listener and certificate.
    private func staples(_ bench: ControlBench, of node: String = "proxy-1") -> [[[UInt8]]] {
        for event in bench.nodes.events.reversed() where event.id == node {
            if case .received(.snapshot(let bytes)) = event.kind, let snapshot = try? Snapshot(encoded: bytes) {
                return snapshot.listeners.map { ($0.tls?.certificates ?? []).map(\.ocspResponse) }
            }
        }
        return []
    }

    private func ocsp(_ bench: ControlBench) async throws -> [OCSPDocument?] {
        try await bench.controller.status().certificates.map(\.ocsp)
    }

    @Test(
        "served at once without a response; then every node gets it, under the same revision; one question for two listeners"
    )
    func fetched() async throws {
        let authority = try Authority()
        authority.responders.hold()
        let bench = try await ControlBench(responders: authority.responders)
        _ = try await bench.start(authority.site())
        #expect(staples(bench) == [[[]], [[]]])
        #expect(try await ocsp(bench).map(\.?.status) == ["none", "none"])
        let digest = bench.nodes.serving("proxy-1").digest
        authority.responders.release()
        for node in ["proxy-1", "forwarder"] {
            try await eventually("the response is everywhere") {
                staples(bench, of: node).joined().allSatisfy { CertificateChain.isOCSPResponse($0) }
            }
        }
        #expect(authority.responders.count == 1)
        try await eventually("it is served") { bench.nodes.serving("proxy-1").digest != digest }
        #expect(bench.nodes.serving("proxy-1").revision == 1)
        #expect(try await bench.store.revisions(limit: 10).count == 1)
        let documents = try await ocsp(bench)
        let end = try #require(CertificateChain.nextUpdate(ofOCSPResponse: staples(bench)[0][0]))
        #expect(documents == [.init(status: "good", nextUpdate: end), .init(status: "good", nextUpdate: end)])
        let metrics = await bench.controller.metrics()
        let labels = "certificate=\"\(authority.directory.file("shop.pem"))\""
        #expect(
            metrics.split(separator: "\n").contains {
                $0.hasPrefix("sluice_certificate_ocsp_next_update_seconds{") && $0.contains("listener=\"two\"")
                    && $0.contains(labels) && $0.hasSuffix(" \(end)")
            }, "\(metrics)")
    }

    @Test("over an apply, responses of certificates that stay are in the new revision's first snapshot")
    func apply() async throws {
        let authority = try Authority()
        let bench = try await ControlBench(responders: authority.responders)
        _ = try await bench.start(authority.site())
        try await eventually("a response") { !staples(bench).joined().contains([]) }
        let shop = staples(bench)[0][0]
        authority.responders.hold()
        let change = try await bench.apply(authority.site(authority.api, endpoint: 9002))
        #expect(change.revision == 2)
        #expect(staples(bench) == [[shop, []], [shop]])
        authority.responders.release()
        try await eventually("the other's response") { !staples(bench).joined().contains([]) }
        #expect(staples(bench)[0][0] == shop)
        #expect(authority.responders.count == 2)
        // Without `ocsp` there is none, and the stored one goes as well.
        _ = try await bench.apply(authority.site(shop: "ocsp: \(try fileResponse(authority))"))
        #expect(staples(bench)[0][0] != shop)
        #expect(try await ocsp(bench) == [nil, nil])
        #expect(try await bench.store.setting(.staples) == nil)
    }

    private func fileResponse(_ authority: Authority) throws -> String {
        let question = try CertificateChain(
            chain: Array(Data(contentsOf: URL(fileURLWithPath: authority.directory.file("shop.pem")))),
            key: Array(Data(contentsOf: URL(fileURLWithPath: authority.directory.file("shop.key"))))
        ).ocspQuestion()
        let response = try authority.records.response(to: question.request, arguments: ["-nmin", "5"])
        return try authority.directory.write(Data(response), to: "file.der")
    }

    @Test("a responder that is away at the start is asked again by itself, and at once by an apply")
    func away() async throws {
        let authority = try Authority()
        authority.responders.fail("no route")
        let bench = try await ControlBench(responders: authority.responders)
        _ = try await bench.start(authority.site())
        try await eventually("the failure is shown") { try await ocsp(bench).first??.failure == "no route" }
        try await eventually("it is asked again") { authority.responders.count >= 2 }
        #expect(bench.nodes.snapshots(of: "proxy-1").count == 1, "nothing has changed for nodes")
        let metrics = await bench.controller.metrics()
        #expect(
            metrics.split(separator: "\n").contains {
                $0.hasPrefix("sluice_certificate_ocsp_failures_total{") && !$0.hasSuffix(" 0")
            })
        authority.responders.fail(nil)
        _ = try await bench.apply(authority.site(endpoint: 9002))
        try await eventually("the response") { !staples(bench).joined().contains([]) }
        #expect(try await ocsp(bench).first??.failure == nil)
    }

    @Test(
        "a control plane that starts while the responder is away staples what was stored, and what nodes have stays as it is"
    )
    func restart() async throws {
        let authority = try Authority()
        let bench = try await ControlBench(responders: authority.responders)
        _ = try await bench.start(authority.site())
        try await eventually("the response is stored") { try await bench.store.setting(.staples) != nil }
        try await eventually("it is served") {
            let published = await bench.controller.current?.digest
            return bench.nodes.serving("proxy-1").digest == published && !staples(bench).joined().contains([])
        }
        let (serving, snapshots) = (staples(bench), bench.nodes.snapshots(of: "proxy-1").count)
        await bench.kill()
        authority.responders.fail("no route")
        let next = try await ControlBench(after: bench, responders: authority.responders)
        _ = try await next.start(nil)
        #expect(
            await next.controller.current?.snapshot.listeners.map { $0.tls?.certificates.map(\.ocspResponse) ?? [] }
                == serving)
        #expect(try await ocsp(next).first??.status == "good")
        #expect(bench.nodes.snapshots(of: "proxy-1").count == snapshots, "the digest is the one that nodes have")
    }

    @Test("what is stored and doesn't count any more is left out: rubbish, and a response for another certificate")
    func stored() async throws {
        let authority = try Authority()
        let bench = try await ControlBench(responders: authority.responders)
        _ = try await bench.start(authority.site(authority.api))
        try await eventually("both responses are stored") {
            try await bench.store.setting(.staples)?.split(separator: "\n").count == 2
        }
        let lines =
            try await bench.store.setting(.staples)?.split(separator: "\n").map { $0.split(separator: " ") } ?? []
        let swapped = "\(lines[0][0]) \(lines[1][1])\n\(lines[1][0]) \(lines[0][1])\nrubbish\n\n? ?"
        await bench.kill()
        try await bench.store.set(.staples, to: swapped)
        authority.responders.fail("no route")
        let next = try await ControlBench(after: bench, responders: authority.responders)
        _ = try await next.start(nil)
        #expect(try await ocsp(next).map(\.?.status) == ["none", "none", "none"])
    }

    @Test(
        "revoked: the response is taken from the nodes, and it is shown; a response for another certificate is refused")
    func revoked() async throws {
        let authority = try Authority()
        let bench = try await ControlBench(responders: authority.responders)
        _ = try await bench.start(authority.site())
        try await eventually("a response") { !staples(bench).joined().contains([]) }
        let question = try #require(await bench.controller.current?.staples.first?.question)
        try authority.records.set(["shop": .revoked])
        // As when half of its time is over.
        await bench.controller.askNow(question)
        try await eventually("it is taken away") { staples(bench).joined().allSatisfy { $0.isEmpty } }
        #expect(try await ocsp(bench).map(\.?.status) == ["revoked", "revoked"])
        let metrics = await bench.controller.metrics()
        #expect(
            metrics.split(separator: "\n").count {
                $0.hasPrefix("sluice_certificate_ocsp_revoked{") && $0.hasSuffix(" 1")
            } == 2)
        try await eventually("it isn't stored") { try await bench.store.setting(.staples) == nil }
        authority.responders.answer(with: try OCSPQuestionOf(authority).api)
        await bench.controller.askNow(question)
        try await eventually("the refusal is shown") {
            try await ocsp(bench).first??.failure == "the response is for another certificate"
        }
        #expect(staples(bench).joined().allSatisfy { $0.isEmpty })
    }

    /// A good response for the other certificate.
    private struct OCSPQuestionOf {
        let api: [UInt8]

        init(_ authority: Authority) throws {
            try authority.records.set(["shop": .good, "api": .good])
            func read(_ name: String) throws -> [UInt8] {
                Array(try Data(contentsOf: URL(fileURLWithPath: authority.directory.file(name))))
            }
            let chain = try CertificateChain(chain: read("api.pem"), key: read("api.key"))
            api = try authority.records.response(to: chain.ocspQuestion().request)
        }
    }
}

extension Controller {
    /// Asks as if the time for it had come.
    fileprivate func askNow(_ question: OCSPQuestion) async {
        let answer = await fetch(question)
        answered(question, answer)
    }
}

/// `openssl ocsp` without the network: held back, failing, or with another answer, as a test says.
private final class ScriptedResponders: OCSPAsking {
    private struct State {
        var isHeld = false
        var failure: String?
        var answer: [UInt8]?
        var count = 0
    }
    private let records: OCSPRecords
    private let state = Mutex(State())

    init(_ records: OCSPRecords) { self.records = records }

    var count: Int { state.withLock { $0.count } }
    func hold() { state.withLock { $0.isHeld = true } }
    func release() { state.withLock { $0.isHeld = false } }
    func fail(_ reason: String?) { state.withLock { $0.failure = reason } }
    func answer(with bytes: [UInt8]) { state.withLock { $0.answer = bytes } }

    func answer(to question: OCSPQuestion) async -> Result<[UInt8], FetchFailure> {
        state.withLock { $0.count += 1 }
        while state.withLock({ $0.isHeld }) { try? await Task.sleep(for: .milliseconds(2)) }
        let (failure, answer) = state.withLock { ($0.failure, $0.answer) }
        if let failure { return .failure(FetchFailure(reason: failure)) }
        if let answer { return .success(answer) }
        do {
            return .success(try records.response(to: question.request))
        } catch {
            return .failure(FetchFailure(reason: "\(error)"))
        }
    }
}
