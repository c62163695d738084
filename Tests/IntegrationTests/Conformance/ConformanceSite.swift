import Foundation
import TestKit
import Testing

/// One running site for all conformance cases: a forwarder, one proxy node, and an endpoint that records every byte.
final class ConformanceSite: Sendable {
    /// Set while a suite with the trait `.conformanceSite` runs.
    @TaskLocal static var running: ConformanceSite?

    static let headBytesMax = 8 * 1024
    static let fieldCountMax = 40
    let endpoint: RecordingEndpoint
    let port: UInt16
    let site: Site

    init() throws {
        endpoint = try RecordingEndpoint()
        port = try Ports.unused()
        site = try Site(
            SiteText.http(
                port, to: [endpoint.address], nodes: 1,
                top: "limits: {head: 8KiB, headers: \(ConformanceSite.fieldCountMax)}"))
        try site.start()
    }

    func stop() {
        site.killFamily()
        endpoint.stop()
    }

    static func current() throws -> ConformanceSite {
        try #require(running, "the suite lacks the trait .conformanceSite")
    }

    /// A request that nothing is wrong with, to find out what the endpoint received before it.
    static let probe = "GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n"
    /// The probe as the endpoint gets it.
    static let forwardedProbe = forwarded(["GET /probe HTTP/1.1", "Host: probe"], host: "probe")

    /// A head as the endpoint gets it: the lines that stay, and ours.
    static func forwarded(_ lines: [String], host: String? = "a", via: String = "1.1") -> String {
        var lines = lines
        lines += ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: http"]
        if let host { lines.append("X-Forwarded-Host: \(host)") }
        lines += ["X-Real-IP: 127.0.0.1", "X-Request-Id: ID", "Via: \(via) sluice"]
        return lines.joined(separator: "\r\n") + "\r\n\r\n"
    }

    /// Bytes as text, one scalar each, with the values that differ from run to run replaced.
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
            .replacing(/X-Request-Id: [0-9a-f]{32}/, with: "X-Request-Id: ID")
            .replacing(/Date: [A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} GMT/, with: "Date: NOW")
    }

    /// One byte for each scalar, so that a case can hold any byte.
    static func octets(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8($0.value) } }
}

extension TCPSocket {
    /// Sends the bytes one by one. A peer that has refused them already may have closed.
    func sendSlowly(_ bytes: [UInt8]) throws {
        for byte in bytes {
            do {
                try send([byte])
            } catch let error as SystemCallError where error.errno == EPIPE || error.errno == ECONNRESET {
                return
            }
        }
    }
}

/// Runs a suite, with all that it contains, on one `ConformanceSite`.
struct ConformanceSiteTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let site = try ConformanceSite()
        defer { site.stop() }
        try await ConformanceSite.$running.withValue(site, operation: function)
    }
}

extension Trait where Self == ConformanceSiteTrait {
    static var conformanceSite: Self { ConformanceSiteTrait() }
}
