import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// `openssl ocsp` is the responder, `openssl s_client -status` the client.
    @Suite("OCSP responses that are fetched")
    struct OCSPTests {
        /// A site that isn't started, and the records of the authority whose certificate it has.
        private struct Stapling {
            let site: Site
            let records: OCSPRecords
            let port: UInt16
            let responderPort: UInt16

            init(_ lab: Lab, endpoint: String) throws {
                (port, responderPort) = (try Ports.unused(), try Ports.unused())
                site = try lab.site("", start: false)
                records = try OCSPRecords(of: TestAuthority(in: site.directory))
                try records.issue("shop", for: ["shop.example"], responder: responderPort)
                try records.set(["shop": .good])
                try rewrite(endpoint: endpoint)
            }

            func rewrite(endpoint: String, comment: String = "") throws {
                try site.rewrite(
                    """
                    \(comment)
                    proxy: {nodes: 2}
                    listeners:
                      secure:
                        address: "127.0.0.1:\(port)"
                        protocol: https
                        tls: {certificates: [{chain: shop.pem, key: shop.key, ocsp: fetch}]}
                    routes: [{to: app}]
                    pools: {app: {endpoints: ["\(endpoint)"]}}
                    """)
            }

            /// What a client that asks for the certificate's status hears.
            func status() throws -> String {
                try HTTPSTests.handshake(port, ["-status", "-servername", "shop.example"]).text
            }

            /// Whether every node staples, or none does: asks until several connections in a row have said so.
            func expectStapled(_ isStapled: Bool, within: Duration = .seconds(10)) throws {
                let text = isStapled ? "OCSP Response Status: successful" : "OCSP response: no response sent"
                try Eventually.holds(isStapled ? "a stapled response" : "no stapled response", within: within) {
                    for _ in 0..<6 where try !status().contains(text) { return false }
                    return true
                }
            }

            func serves() throws -> Bool {
                try Curl.request(
                    "https://shop.example:\(port)/",
                    arguments: [
                        "--cacert", site.directory.file("authority.pem"), "--resolve", "shop.example:\(port):127.0.0.1",
                    ]
                ).status == 200
            }

            var ocsp: JSON? { get throws { try site.control.status()["certificates"]?.elements.first?["ocsp"] } }

            func metric(_ name: String) throws -> Double {
                try site.metric(
                    "sluice_certificate_ocsp_\(name)", ["listener": "secure", "certificate": "shop.pem"])
            }
        }

        @Test("a good response is stapled at every node soon after the start, verified by the client, and shown")
        func stapled() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let stapling = try Stapling(lab, endpoint: app.address)
                let responder = try stapling.records.responder(port: stapling.responderPort)
                defer { responder.signal(SIGKILL) }
                try stapling.site.start()
                try stapling.expectStapled(true)
                #expect(try stapling.status().contains("Cert Status: good"))
                // curl demands a good response that the authority has signed.
                let curl = try Curl.request(
                    "https://shop.example:\(stapling.port)/",
                    arguments: [
                        "--cert-status", "--cacert", stapling.site.directory.file("authority.pem"), "--resolve",
                        "shop.example:\(stapling.port):127.0.0.1",
                    ])
                #expect(curl.status == 200, "\(curl.errors)")
                #expect(try stapling.ocsp?["status"]?.text == "good")
                let end = try #require(try stapling.ocsp?["next_update"]?.integer)
                #expect(abs(Double(end) - Date().timeIntervalSince1970 - 7 * 86_400) < 120)
                #expect(try stapling.metric("next_update_seconds") == Double(end))
                #expect(try stapling.metric("failures_total") == 0)
                #expect(try stapling.metric("revoked") == 0)
                #expect(try stapling.site.control.revision() == 1, "a response is no revision")
                let shown = try stapling.site.command.run(["status"]).text
                #expect(shown.contains("OCSP response good until "), "\(shown)")
            }
        }

        @Test("a responder that is down costs the site nothing; the control plane asks again by itself")
        func comesLater() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let stapling = try Stapling(lab, endpoint: app.address)
                try stapling.site.start()
                try Eventually.holds("the failure to be shown") { try stapling.ocsp?["failure"]?.text != nil }
                #expect(try stapling.ocsp?["failure"]?.text == "cannot connect: Connection refused")
                #expect(try stapling.ocsp?["status"]?.text == "none")
                #expect(try stapling.serves())
                try stapling.expectStapled(false)
                #expect(try stapling.metric("failures_total") >= 1)
                let responder = try stapling.records.responder(port: stapling.responderPort)
                defer { responder.signal(SIGKILL) }
                // The first wait is drawn between 10 s and 20 s, the second one up to 40 s.
                try stapling.expectStapled(true, within: .seconds(70))
                #expect(try stapling.ocsp?["failure"] == nil)
                #expect(stapling.site.log.contains("no OCSP response for shop.pem"))
            }
        }

        @Test(
            "apply and SIGHUP ask at once; a control plane that is started again while the responder is down goes on stapling",
            arguments: ["apply", "SIGHUP"])
        func restart(means: String) throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let stapling = try Stapling(lab, endpoint: app.address)
                try stapling.site.start()
                try Eventually.holds("the failure to be shown") { try stapling.ocsp?["failure"]?.text != nil }
                var responder = try stapling.records.responder(port: stapling.responderPort)
                defer { responder.signal(SIGKILL) }
                if means == "apply" {
                    try stapling.rewrite(endpoint: app.address, comment: "# again")
                    try stapling.site.command.succeed(["apply", stapling.site.file])
                } else {
                    stapling.site.signal(SIGHUP)
                }
                // By itself it would ask after 10 s at the earliest.
                try stapling.expectStapled(true, within: .seconds(8))
                responder.signal(SIGKILL)
                _ = try responder.waitForExit(within: .seconds(5))
                // With its nodes, and without: those have it from their own disks or from the store.
                try stapling.site.killControlPlane()
                try stapling.site.start()
                try stapling.expectStapled(true)
                #expect(try stapling.ocsp?["status"]?.text == "good")
                #expect(try stapling.site.terminate() == .exited(0))
                try stapling.site.start()
                try stapling.expectStapled(true)
                #expect(try stapling.ocsp?["status"]?.text == "good")
                #expect(try stapling.metric("failures_total") == 0, "nobody was asked: there is time")
                responder = try stapling.records.responder(port: stapling.responderPort)
            }
        }

        @Test("a revoked certificate isn't stapled, and the metric says so")
        func revoked() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let stapling = try Stapling(lab, endpoint: app.address)
                try stapling.records.set(["shop": .revoked])
                let responder = try stapling.records.responder(port: stapling.responderPort)
                defer { responder.signal(SIGKILL) }
                try stapling.site.start()
                try Eventually.holds("it to be shown") { try stapling.metric("revoked") == 1 }
                #expect(try stapling.ocsp?["status"]?.text == "revoked")
                #expect(try stapling.metric("next_update_seconds") == 0)
                try stapling.expectStapled(false)
                #expect(try stapling.serves())
                #expect(stapling.site.log.contains("the certificate shop.pem is revoked"))
            }
        }

        @Test("a response for another certificate never reaches a client")
        func otherCertificate() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let stapling = try Stapling(lab, endpoint: app.address)
                try stapling.records.issue("other", for: ["other.example"], responder: stapling.responderPort)
                try stapling.records.set(["shop": .good, "other": .good])
                // Signed by the right issuer, and good, for another certificate.
                let directory = stapling.site.directory
                try Command.succeed([
                    "openssl", "ocsp", "-issuer", directory.file("authority.pem"), "-cert", directory.file("other.pem"),
                    "-no_nonce", "-reqout", directory.file("other.request"),
                ])
                let request = Array(try Data(contentsOf: URL(fileURLWithPath: directory.file("other.request"))))
                let response = try stapling.records.response(to: request)
                let liar = try lab.http("liar", port: stapling.responderPort) { _ in
                    .response(Data(response), fields: ["Content-Type: application/ocsp-response"])
                }
                try stapling.site.start()
                try Eventually.holds("the refusal to be shown") { try stapling.ocsp?["failure"]?.text != nil }
                #expect(try stapling.ocsp?["failure"]?.text == "the response is for another certificate")
                #expect(liar.requests.first?.head["Content-Type"] == "application/ocsp-request")
                try stapling.expectStapled(false)
                #expect(try stapling.serves())
            }
        }

        @Test("a response from a file that is out of date isn't handed out any more")
        func outOfDate() throws {
            try Lab.run { lab in
                let app = try lab.http("app")
                let stapling = try Stapling(lab, endpoint: app.address)
                let directory = stapling.site.directory
                try Command.succeed([
                    "openssl", "ocsp", "-index", directory.file("index"), "-rsigner", directory.file("authority.pem"),
                    "-rkey", directory.file("authority.key"), "-CA", directory.file("authority.pem"), "-issuer",
                    directory.file("authority.pem"), "-cert", directory.file("shop.pem"), "-respout",
                    directory.file("shop.der"), "-nmin", "1", "-noverify",
                ])
                // A minute is the shortest time that `openssl ocsp` gives a response. It is long for a test; that the response
                // is signed for that minute, nobody asks here.
                try directory.write(
                    Self.ending(Data(contentsOf: URL(fileURLWithPath: directory.file("shop.der"))), in: 15),
                    to: "shop.der")
                let site = try String(contentsOfFile: stapling.site.file, encoding: .utf8)
                try stapling.site.rewrite(site.replacing("ocsp: fetch", with: "ocsp: shop.der"))
                try stapling.site.start()
                try stapling.expectStapled(true)
                #expect(try stapling.ocsp == nil)
                try stapling.expectStapled(false, within: .seconds(40))
                let warned = try Command.run([Binaries.sluice(), "check", stapling.site.file])
                #expect("\(warned)".contains("the OCSP response in \"shop.der\" is out of date since "))
            }
        }

        /// The same with another nextUpdate: the latest of its times (GeneralizedTime, as DER has it).
        private static func ending(_ response: Data, in seconds: Double) throws -> Data {
            let form = DateFormatter()
            form.locale = Locale(identifier: "en_US_POSIX")
            form.timeZone = TimeZone(identifier: "UTC")
            form.dateFormat = "yyyyMMddHHmmss'Z'"
            let times = response.indices.compactMap { start -> String? in
                guard response[start...].starts(with: [0x18, 15]), response.count - start > 17 else { return nil }
                return String(decoding: response[(start + 2)..<(start + 17)], as: UTF8.self)
            }
            let latest = try #require(times.filter { form.date(from: $0) != nil }.max())
            let place = try #require(response.range(of: Data(latest.utf8)))
            return response.replacing(response[place], with: Data(form.string(from: Date() + seconds).utf8))
        }
    }
}
