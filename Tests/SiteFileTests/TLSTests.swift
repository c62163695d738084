import Foundation
import Snapshot
import TLS
import Testing

@testable import SiteFile

@Suite("tls of a listener")
struct TLSTests {
    /// The site file lies beside the certificates of the examples.
    private static let folder = repositoryPath("deploy/examples/certificates")

    private func site(_ tls: String, protocol word: String = "https") -> String {
        """
        listeners:
          web:
            address: ":8443"
            protocol: \(word)
            \(tls)
        routes: [{to: app}]
        pools: {app: {endpoints: ["127.0.0.1:9001"]}}
        """
    }

    private func listener(_ tls: String) throws -> ListenerTLS {
        try #require(compile(site(tls), file: "\(TLSTests.folder)/site.yaml").snapshot.listeners[0].tls)
    }

    /// Each problem as `line:column: message`, without the folder.
    private func problems(_ tls: String, protocol word: String = "https", folder: String = folder) -> [String] {
        diagnostics(of: site(tls, protocol: word), file: "\(folder)/site.yaml").map {
            "\($0.location.line):\($0.location.column): \($0.message)".replacing(folder + "/", with: "")
        }
    }

    @Test("the files' contents go into the snapshot, and survive the wire")
    func contents() throws {
        let tls = try listener(
            "tls: {certificates: [{chain: shop-ecdsa.pem, key: shop-ecdsa.key}, {chain: shop-rsa.pem, key: shop-rsa.key}], minimum: \"1.3\"}"
        )
        #expect(tls.certificates.map(\.name) == ["shop-ecdsa.pem", "shop-rsa.pem"])
        #expect(tls.minimum == .tls13)
        #expect(tls.protocols == [.http11])
        for certificate in tls.certificates {
            let key = certificate.name.replacing(".pem", with: ".key")
            #expect(certificate.key == Array(try Data(contentsOf: URL(fileURLWithPath: "\(TLSTests.folder)/\(key)"))))
            #expect(certificate.notAfter > 4_900_000_000)
        }
    }

    @Test("defaults: TLS 1.2 and up, HTTP/1.1")
    func defaults() throws {
        let tls = try listener("tls: {certificates: [{chain: shop-rsa.pem, key: shop-rsa.key}]}")
        #expect(tls.minimum == .tls12)
    }

    @Test("early data is off unless it is asked for, and not to be had with certificates of clients")
    func earlyData() throws {
        let certificates = "certificates: [{chain: shop-rsa.pem, key: shop-rsa.key}]"
        #expect(try !listener("tls: {\(certificates)}").takesEarlyData)
        let text = site("tls: {\(certificates), early_data: true}")
        let snapshot = try compile(text, file: "\(TLSTests.folder)/site.yaml").snapshot
        #expect(snapshot.listeners[0].tls?.takesEarlyData == true)
        #expect(try Snapshot(encoded: snapshot.encoded()) == snapshot)
        #expect(
            problems("tls: {\(certificates), early_data: true, client_auth: {ca: authority.pem}}")
                == ["5:69: `early_data` and `client_auth` don't go together"])
    }

    @Test(
        "what is wrong is said where it stands",
        arguments: [
            ("", ["3:5: \"tls\" is missing"]),
            ("tls: {}", ["5:10: \"certificates\" is missing"]),
            ("tls: {certificates: []}", ["5:25: \"certificates\" is an empty list"]),
            (
                "tls: {certificates: [{chain: shop-rsa.pem}]}",
                ["5:26: \"key\" is missing"]
            ),
            (
                "tls: {certificates: [{chain: shop-rsa.pem, key: shop-ecdsa.key}]}",
                ["5:53: \"shop-ecdsa.key\" is not the key of the certificate in \"shop-rsa.pem\""]
            ),
            (
                "tls: {certificates: [{chain: shop-rsa.key, key: shop-rsa.key}]}",
                ["5:34: \"shop-rsa.key\" holds no certificate"]
            ),
            (
                "tls: {certificates: [{chain: shop-rsa.pem, key: shop-rsa.pem}]}",
                ["5:53: \"shop-rsa.pem\" holds no private key"]
            ),
            (
                "tls: {certificates: [{chain: none.pem, key: shop-rsa.key}]}",
                ["5:34: there is no file \"none.pem\""]
            ),
            (
                "tls: {certificates: [{chain: [], key: shop-rsa.key}]}",
                ["5:34: \"chain\" takes the path of a PEM file, not a list"]
            ),
            (
                "tls: {certificates: [{chain: shop-rsa.pem, key: shop-rsa.key}], minimum: \"1.1\"}",
                ["5:78: \"minimum\" takes \"1.2\" or \"1.3\", not \"1.1\""]
            ),
        ])
    func errors(tls: String, expected: [String]) {
        #expect(problems(tls) == expected)
    }

    @Test("a chain or a key that is cut off is no PEM", arguments: ["shop-rsa.pem", "shop-rsa.key"])
    func cutOff(name: String) throws {
        let directory = NSTemporaryDirectory() + "sluice-tls-\(UUID().uuidString)"
        try FileManager.default.copyItem(atPath: TLSTests.folder, toPath: directory)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let whole = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)"))
        for count in [0, 40, whole.count / 2, whole.count - 40] {
            try whole.prefix(count).write(to: URL(fileURLWithPath: "\(directory)/\(name)"))
            let found = problems(
                "tls: {certificates: [{chain: shop-rsa.pem, key: shop-rsa.key}]}", folder: directory)
            #expect(found.count == 1, "\(count) bytes: \(found)")
            #expect(found.first?.contains("\"\(name)\"") == true, "\(count) bytes: \(found)")
        }
    }

    @Test("a key with a passphrase is named as such, and nobody is asked for it")
    func encrypted() throws {
        let directory = NSTemporaryDirectory() + "sluice-tls-\(UUID().uuidString)"
        try FileManager.default.copyItem(atPath: TLSTests.folder, toPath: directory)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let key = """
            -----BEGIN ENCRYPTED PRIVATE KEY-----
            MIGjMF8GCSqGSIb3DQEFDTBSMDEGCSqGSIb3DQEFDDAkBBBUCgFzwnPOLYVcHSbB
            -----END ENCRYPTED PRIVATE KEY-----
            """
        try key.write(toFile: "\(directory)/shop-rsa.key", atomically: true, encoding: .utf8)
        let found = problems("tls: {certificates: [{chain: shop-rsa.pem, key: shop-rsa.key}]}", folder: directory)
        #expect(found == ["5:53: \"shop-rsa.key\" is encrypted with a passphrase"])
    }

    @Test("tls belongs to https", arguments: ["http", "tcp"])
    func wrongProtocol(word: String) {
        let found = problems("tls: {certificates: [{chain: shop-rsa.pem, key: shop-rsa.key}]}", protocol: word)
        #expect(found.contains("5:5: `tls` is for listeners with `protocol: https`"), "\(found)")
    }

    /// Problems of `tls` of a pool, without their places.
    private func poolProblems(_ pool: String) -> [String] {
        let text = """
            listeners: {web: {address: ":8080"}}
            routes: [{to: app}]
            pools:
              app: {\(pool)}
            """
        return diagnostics(of: text, file: "\(TLSTests.folder)/site.yaml").map {
            "\($0.location.line):\($0.location.column): \($0.message)".replacing(TLSTests.folder + "/", with: "")
        }
    }

    @Test(
        "tls of a pool",
        arguments: [
            ("endpoints: [\"10.0.0.1:1\"], tls: {}", []),
            ("endpoints: [\"10.0.0.1:1\"], tls: {ca: authority.pem, server_name: A.internal}", []),
            (
                "endpoints: [\"10.0.0.1:1\"], tls: {ca: shop-rsa.key}", ["4:46: \"shop-rsa.key\" holds no certificate"]
            ),
            ("endpoints: [\"10.0.0.1:1\"], tls: {ca: none.pem}", ["4:46: there is no file \"none.pem\""]),
            (
                "endpoints: [\"10.0.0.1:1\"], tls: {verify: none, ca: authority.pem}",
                ["4:56: `ca` says nothing with `verify: none`"]
            ),
            (
                "endpoints: [\"10.0.0.1:1\"], tls: {server_name: \"*.internal\"}",
                ["4:55: \"server_name\" takes a name such as \"api.internal\", not \"*.internal\""]
            ),
            (
                "endpoints: [\"unix:/run/a\"], tls: {}",
                ["4:42: an endpoint that is a Unix socket has no address that its certificate could name"]
            ),
            ("endpoints: [\"unix:/run/a\"], tls: {verify: none}", []),
            ("endpoints: [\"10.0.0.1:1\"], tls: {}, health: {path: /}", []),
            ("endpoints: [\"10.0.0.1:1\"], tls: {}, health: {grpc: \"\"}", []),
        ])
    func pools(pool: String, expected: [String]) {
        #expect(poolProblems(pool) == expected)
    }

    @Test(
        "days of the calendar",
        arguments: [
            (0, "1970-01-01"), (-1, "1969-12-31"), (951_782_399, "2000-02-28"), (951_782_400, "2000-02-29"),
            (951_868_800, "2000-03-01"), (1_735_689_599, "2024-12-31"), (4_107_542_400, "2100-03-01"),
            (1_763_683_200, "2025-11-21"),
        ])
    func calendar(seconds: Int, day: String) {
        #expect(CalendarDay(Int64(seconds)).description == day)
    }
}
