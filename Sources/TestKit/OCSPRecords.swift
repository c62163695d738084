import Foundation

/// What an authority knows of its certificates, and `openssl ocsp` answers for it.
package struct OCSPRecords: Sendable {
    package enum Status: Sendable { case good, revoked }

    private let authority: TestAuthority
    private var directory: TemporaryDirectory { authority.directory }
    private var index: String { directory.file("index") }

    /// No certificate is known yet.
    package init(of authority: TestAuthority) throws {
        self.authority = authority
        try authority.directory.write("", to: "index")
    }

    /// Makes `NAME.pem` (with the authority's behind it) and `NAME.key`, whose responder listens at a port of this host.
    package func issue(_ name: String, for hosts: [String], responder port: UInt16) throws {
        try authority.issue(
            name, for: hosts, extensions: ["authorityInfoAccess=OCSP;URI:http://127.0.0.1:\(port)/ocsp"])
        try directory.write(try read("\(name).pem") + read("authority.pem"), to: "\(name).pem")
    }

    /// Says what is to be answered; those that aren't named are unknown.
    package func set(_ statuses: [String: Status]) throws {
        // The format of `openssl ca`: status, expiry, revocation, serial number, file, subject.
        let lines = try statuses.sorted { $0.key < $1.key }.map { name, status in
            let shown = try Command.succeed([
                "openssl", "x509", "-noout", "-serial", "-in", directory.file("\(name).pem"),
            ])
            let serial = shown.split(separator: "=").last.map { $0.trimmingCharacters(in: .newlines) } ?? ""
            let revocation = status == .revoked ? "240101000000Z" : ""
            return "\(status == .revoked ? "R" : "V")\t491231235959Z\t\(revocation)\t\(serial)\tunknown\t/CN=\(name)\n"
        }
        try directory.write(lines.joined(), to: "index")
    }

    /// Who signs, with which key; the responder's certificate goes along.
    private func signing(_ signer: String) -> [String] {
        [
            "openssl", "ocsp", "-index", index, "-CA", authority.certificate, "-rsigner",
            directory.file("\(signer).pem"),
            "-rkey", directory.file("\(signer).key"),
        ]
    }

    /// A response in DER.
    ///
    /// - Parameters:
    ///   - request: In DER.
    ///   - signer: Of `NAME.pem` and `NAME.key`.
    ///   - arguments: As `-ndays 7`; without a time the response has no nextUpdate.
    package func response(
        to request: [UInt8], signer: String = "authority", arguments: [String] = ["-ndays", "7"]
    ) throws -> [UInt8] {
        // Several may be asked for at a time.
        let name = UUID().uuidString
        let asked = try directory.write(Data(request), to: "\(name).request")
        try Command.succeed(
            signing(signer) + ["-reqin", asked, "-respout", directory.file("\(name).response")] + arguments)
        return Array(try read("\(name).response"))
    }

    private func read(_ name: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: directory.file(name)))
    }

    /// A responder that listens.
    package func responder(port: UInt16, arguments: [String] = ["-ndays", "7"]) throws -> ChildProcess {
        let responder = try ChildProcess(signing("authority") + ["-port", "\(port)", "-ignore_err"] + arguments)
        try Eventually.holds("the OCSP responder to listen", within: .seconds(10)) {
            if let status = responder.exitStatus { throw Eventually.Hopeless("\(status): \(responder.errorText)") }
            return responder.errorText.contains("waiting for OCSP client connections")
                || responder.outputText.contains("ACCEPT")
        }
        return responder
    }
}
