import Foundation

/// A certificate authority and what it issues, made by the `openssl` command in a directory of the test.
package struct TestAuthority: Sendable {
    package enum KeyKind: Sendable { case ecdsa, rsa }

    package let directory: TemporaryDirectory
    /// The authority's certificate.
    package var certificate: String { directory.file("authority.pem") }

    /// - Parameter name: Its common name: two with the same name would be taken for one.
    package init(in directory: TemporaryDirectory, name: String = "Test authority") throws {
        self.directory = directory
        try Command.succeed([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
            "-subj", "/CN=\(name)", "-keyout", directory.file("authority.key"), "-out",
            directory.file("authority.pem"),
        ])
    }

    /// One whose `authority.pem` and `authority.key` are there already, issued by another.
    package init(intermediateIn directory: TemporaryDirectory) { self.directory = directory }

    /// Makes `NAME.pem` and `NAME.key`.
    ///
    /// - Parameters:
    ///   - hosts: DNS names of the certificate, or IP addresses as `IP:127.0.0.1`; the first is its common name.
    ///   - subject: Instead of the common name, as in `/O=Shop/CN=client 7`.
    ///   - extensions: As `openssl req -addext` takes them.
    package func issue(
        _ name: String, for hosts: [String], _ kind: KeyKind = .ecdsa, days: Int = 30, subject: String? = nil,
        extensions: [String] = []
    ) throws {
        let key = kind == .ecdsa ? ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"] : ["rsa:2048"]
        let names = hosts.map { $0.hasPrefix("IP:") ? $0 : "DNS:\($0)" }.joined(separator: ",")
        var command = ["openssl", "req", "-x509", "-CA", certificate, "-CAkey", directory.file("authority.key")]
        command += ["-newkey"] + key + ["-nodes", "-days", "\(days)"]
        command += ["-subj", subject ?? "/CN=\(hosts.first ?? name)"]
        command += ["-keyout", directory.file("\(name).key"), "-out", directory.file("\(name).pem")]
        command += ["-addext", "basicConstraints=critical,CA:false"]
        if !hosts.isEmpty { command += ["-addext", "subjectAltName=\(names)"] }
        command += extensions.flatMap { ["-addext", $0] }
        try Command.succeed(command)
    }

    /// Makes `NAME.pem` and `NAME.key`, good in 2020 only: what dates lie in the past, `openssl req` doesn't issue.
    package func issueExpired(_ name: String, for hosts: [String]) throws {
        let names = hosts.map { $0.hasPrefix("IP:") ? $0 : "DNS:\($0)" }.joined(separator: ",")
        try directory.write("", to: "issued")
        try directory.write("01", to: "serial")
        try directory.write(
            """
            [ca]
            default_ca = past
            [past]
            database = \(directory.file("issued"))
            serial = \(directory.file("serial"))
            new_certs_dir = \(directory.path)
            default_md = sha256
            copy_extensions = copy
            policy = names
            [names]
            commonName = supplied
            """, to: "past.cnf")
        try Command.succeed([
            "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
            "/CN=\(hosts.first ?? name)", "-addext", "subjectAltName=\(names)", "-keyout",
            directory.file("\(name).key"),
            "-out", directory.file("\(name).csr"),
        ])
        try Command.succeed([
            "openssl", "ca", "-batch", "-notext", "-config", directory.file("past.cnf"), "-cert", certificate,
            "-keyfile",
            directory.file("authority.key"), "-startdate", "20200101000000Z", "-enddate", "20210101000000Z", "-in",
            directory.file("\(name).csr"), "-out", directory.file("\(name).pem"),
        ])
    }
}
