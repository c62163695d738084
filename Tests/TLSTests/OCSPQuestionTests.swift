import EventLoop
import Foundation
import TestKit
import Testing

@testable import TLS

/// Responses are those of `openssl ocsp`.
@Suite("Questions to OCSP responders and their answers, RFC 6960")
struct OCSPQuestionTests {
    private let now = Clock.wallSeconds()

    /// An authority, its records, and the chain of a certificate that they know.
    private struct Bench {
        let authority: TestAuthority
        let records: OCSPRecords
        let question: OCSPQuestion

        init(_ status: OCSPRecords.Status? = .good) throws {
            authority = try TestAuthority(in: TemporaryDirectory())
            records = try OCSPRecords(of: authority)
            try records.issue("shop", for: ["shop.example"], responder: 8888)
            try records.set(status.map { ["shop": $0] } ?? [:])
            question = try Bench.chain("shop", authority).ocspQuestion()
        }

        static func chain(_ name: String, _ authority: TestAuthority, behind: [String] = []) throws -> CertificateChain
        {
            func read(_ name: String) throws -> [UInt8] {
                Array(try Data(contentsOf: URL(fileURLWithPath: authority.directory.file(name))))
            }
            return try CertificateChain(
                chain: try (["\(name).pem"] + behind).flatMap { try read($0) }, key: try read("\(name).key"))
        }
    }

    @Test("the request is the one that `openssl ocsp` makes without a nonce")
    func request() throws {
        let bench = try Bench()
        #expect(bench.question.responder.description == "http://127.0.0.1:8888/ocsp")
        let directory = bench.authority.directory
        try Command.succeed([
            "openssl", "ocsp", "-issuer", bench.authority.certificate, "-cert", directory.file("shop.pem"), "-no_nonce",
            "-reqout", directory.file("expected.der"),
        ])
        let expected = try Data(contentsOf: URL(fileURLWithPath: directory.file("expected.der")))
        #expect(bench.question.request == Array(expected))
    }

    @Test("the issuer is found wherever it stands behind the certificate; another of the same name isn't it")
    func issuer() throws {
        let bench = try Bench()
        let directory = bench.authority.directory
        try bench.authority.issue(
            "plain", for: ["plain.example"], extensions: ["authorityInfoAccess=OCSP;URI:http://o/"])
        let other = try TestAuthority(in: TemporaryDirectory())
        try FileManager.default.copyItem(atPath: other.certificate, toPath: directory.file("namesake.pem"))
        let chain = try Bench.chain("plain", bench.authority, behind: ["shop.pem", "namesake.pem", "authority.pem"])
        #expect(try chain.ocspQuestion().issuer == bench.question.issuer)
        for behind in [[], ["namesake.pem"], ["plain.pem"]] {
            let chain = try Bench.chain("plain", bench.authority, behind: behind)
            #expect(throws: OCSPQuestion.Problem.noIssuer) { try chain.ocspQuestion() }
        }
    }

    @Test(
        "without an address that is http there is nobody to ask; of several the first is",
        arguments: [
            (nil, nil, []), ("OCSP;URI:https://o/", nil, ["https://o/"]), ("caIssuers;URI:http://o/", nil, []),
            ("OCSP;URI:ldap://o/,OCSP;URI:http://a/,OCSP;URI:http://b/", "http://a/", []),
        ] as [(String?, String?, [String])])
    func responder(access: String?, expected: String?, named: [String]) throws {
        let authority = try TestAuthority(in: TemporaryDirectory())
        try authority.issue(
            "shop", for: ["shop.example"], extensions: access.map { ["authorityInfoAccess=\($0)"] } ?? [])
        let chain = try Bench.chain("shop", authority, behind: ["authority.pem"])
        if let expected {
            #expect(try chain.ocspQuestion().responder.description == expected)
        } else {
            #expect(throws: OCSPQuestion.Problem.noResponder(named)) { try chain.ocspQuestion() }
        }
    }

    @Test("good until the time that the responder says, or without such a time")
    func good() throws {
        let bench = try Bench()
        let timed = try bench.question.check(bench.records.response(to: bench.question.request), now: now)
        #expect(timed.status == .good)
        #expect(abs(timed.thisUpdate - now) < 60)
        #expect(timed.nextUpdate == timed.thisUpdate + 7 * 86_400)
        let endless = try bench.records.response(to: bench.question.request, arguments: [])
        #expect(try bench.question.check(endless, now: now).nextUpdate == nil)
        #expect(CertificateChain.nextUpdate(ofOCSPResponse: endless) == nil)
    }

    @Test("revoked, and since when; unknown is no answer")
    func notGood() throws {
        let revoked = try Bench(.revoked)
        let answer = try revoked.question.check(revoked.records.response(to: revoked.question.request), now: now)
        #expect(answer.status == .revoked(at: 1_704_067_200))
        let unknown = try Bench(nil)
        let response = try unknown.records.response(to: unknown.question.request)
        #expect(throws: OCSPRefusal.unknown) { try unknown.question.check(response, now: now) }
    }

    @Test("a response counts from five minutes before its thisUpdate until its nextUpdate")
    func times() throws {
        let bench = try Bench()
        let response = try bench.records.response(to: bench.question.request, arguments: ["-nmin", "30"])
        let answer = try bench.question.check(response, now: now)
        let (begin, end) = (answer.thisUpdate, try #require(answer.nextUpdate))
        #expect(CertificateChain.nextUpdate(ofOCSPResponse: response) == end)
        #expect(throws: OCSPRefusal.notYet(begin)) { try bench.question.check(response, now: begin - 301) }
        #expect(try bench.question.check(response, now: begin - 300) == answer)
        #expect(try bench.question.check(response, now: end - 1) == answer)
        #expect(throws: OCSPRefusal.outOfDate(end)) { try bench.question.check(response, now: end) }
    }

    @Test("a response for another certificate of the same issuer is none for this one")
    func otherCertificate() throws {
        let bench = try Bench()
        try bench.records.issue("other", for: ["other.example"], responder: 8888)
        try bench.records.set(["shop": .good, "other": .good])
        let other = try Bench.chain("other", bench.authority).ocspQuestion()
        let response = try bench.records.response(to: other.request)
        #expect(try other.check(response, now: now).status == .good)
        #expect(throws: OCSPRefusal.otherCertificate) { try bench.question.check(response, now: now) }
    }

    @Test("signed by one with a certificate of the issuer for OCSP signing, and by no other")
    func signers() throws {
        let bench = try Bench()
        let directory = bench.authority.directory
        try bench.authority.issue("delegate", for: [], extensions: ["extendedKeyUsage=OCSPSigning"])
        try bench.authority.issue("server", for: ["server.example"], extensions: ["extendedKeyUsage=serverAuth"])
        try bench.authority.issue("plain", for: ["plain.example"])
        // Another authority, also one with the same name, and what it would give the right.
        let namesake = try TestAuthority(in: TemporaryDirectory())
        try namesake.issue("stranger", for: [], extensions: ["extendedKeyUsage=OCSPSigning"])
        for suffix in ["pem", "key"] {
            for name in ["authority", "stranger"] {
                try FileManager.default.copyItem(
                    atPath: namesake.directory.file("\(name).\(suffix)"),
                    toPath: directory.file("other-\(name).\(suffix)"))
            }
        }
        func check(_ signer: String, _ arguments: [String] = []) throws -> OCSPAnswer {
            let response = try bench.records.response(
                to: bench.question.request, signer: signer, arguments: ["-ndays", "7"] + arguments)
            return try bench.question.check(response, now: now)
        }
        #expect(try check("authority").status == .good)
        #expect(try check("authority", ["-resp_no_certs"]).status == .good)
        #expect(try check("authority", ["-resp_key_id"]).status == .good)
        #expect(try check("delegate").status == .good)
        for signer in ["server", "plain", "shop", "other-authority", "other-stranger"] {
            let error = #expect(throws: OCSPRefusal.self, "\(signer)") { try check(signer) }
            guard case .signature = error else {
                Issue.record("\(signer): \(String(describing: error))")
                continue
            }
        }
        // The right signer, another signature.
        let error = #expect(throws: OCSPRefusal.self) { try check("authority", ["-badsig"]) }
        guard case .signature = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test("an intermediate issuer is enough: what is above it isn't looked at")
    func intermediate() throws {
        let root = try TestAuthority(in: TemporaryDirectory(), name: "Root")
        let directory = try TemporaryDirectory()
        try Command.succeed([
            "openssl", "req", "-x509", "-CA", root.certificate, "-CAkey", root.directory.file("authority.key"),
            "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=Intermediate", "-addext",
            "basicConstraints=critical,CA:true", "-keyout", directory.file("authority.key"), "-out",
            directory.file("authority.pem"),
        ])
        let authority = TestAuthority(intermediateIn: directory)
        let records = try OCSPRecords(of: authority)
        try records.issue("shop", for: ["shop.example"], responder: 8888)
        try records.set(["shop": .good])
        try authority.issue("delegate", for: [], extensions: ["extendedKeyUsage=OCSPSigning", "noCheck=yes"])
        let question = try Bench.chain("shop", authority).ocspQuestion()
        for signer in ["authority", "delegate"] {
            let response = try records.response(to: question.request, signer: signer)
            #expect(try question.check(response, now: now).status == .good, "\(signer)")
        }
    }

    @Test("a responder's certificate that has expired gives no right")
    func expiredSigner() throws {
        let bench = try Bench()
        try bench.authority.issue("delegate", for: [], days: 2, extensions: ["extendedKeyUsage=OCSPSigning"])
        let response = try bench.records.response(to: bench.question.request, signer: "delegate")
        #expect(try bench.question.check(response, now: now + 86_400).status == .good)
        let error = #expect(throws: OCSPRefusal.self) { try bench.question.check(response, now: now + 3 * 86_400) }
        guard case .signature = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(
        "answers without an answer, by their words",
        arguments: [(1, "malformedrequest"), (3, "trylater"), (6, "unauthorized")])
    func unsuccessful(status: UInt8, word: String) throws {
        // OCSPResponse ::= SEQUENCE { responseStatus ENUMERATED } (RFC 6960 §4.2.1).
        let bytes: [UInt8] = [0x30, 0x03, 0x0a, 0x01, status]
        #expect(throws: OCSPRefusal.unsuccessful(word)) { try Bench().question.check(bytes, now: now) }
        #expect(!CertificateChain.isOCSPResponse(bytes))
    }

    @Test(
        "what is cut off anywhere, has more behind it, or isn't ASN.1 is malformed; no byte that is changed makes it trap"
    )
    func malformed() throws {
        let bench = try Bench()
        let whole = try bench.records.response(to: bench.question.request)
        for count in whole.indices {
            #expect(throws: OCSPRefusal.malformed) { try bench.question.check(Array(whole[..<count]), now: now) }
        }
        #expect(throws: OCSPRefusal.malformed) { try bench.question.check(whole + [0], now: now) }
        #expect(throws: OCSPRefusal.malformed) { try bench.question.check(Array("<html></html>".utf8), now: now) }
        // Successful, and nothing in it.
        #expect(throws: OCSPRefusal.malformed) {
            try bench.question.check([0x30, 0x03, 0x0a, 0x01, 0], now: now)
        }
        let honest = try bench.question.check(whole, now: now)
        for index in whole.indices {
            for mask: UInt8 in [0x01, 0x80, 0xff] {
                var changed = whole
                changed[index] ^= mask
                // What still passes says the same: certificates behind the signature aren't needed.
                if let answer = try? bench.question.check(changed, now: now) { #expect(answer == honest) }
                _ = CertificateChain.nextUpdate(ofOCSPResponse: changed)
            }
        }
    }
}
