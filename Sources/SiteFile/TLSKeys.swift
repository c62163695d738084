import Snapshot
import TLS

/// `protocol` of a listener as written: `https` is `http` with `tls`.
enum WrittenProtocol: Sendable {
    case http
    case https
    case tcp
    case tlsPassthrough
}

/// The keys of `tls` of a listener.
enum TLSKeys {
    static let certificates = Key(
        "certificates",
        .list(CertificateKeys.section, example: "- {chain: shop.pem, key: shop.key}"), stands: "required",
        "Certificates and their keys. A client gets the one whose DNS names (subject alternative names) have the host that it asks for: an exact name before a wildcard, of ECDSA and RSA the one that it can verify, the first one listed when none has it."
    )
    static let minimum = Key(
        "minimum", .tlsVersion, default: TLSVersion.tls12,
        "The oldest version that is spoken. TLS 1.3 always is; 1.0 and 1.1 never are.")
    static let alpn = Key(
        "alpn", .oneOrMore(.applicationProtocol, each: "protocol"), stands: "`[http/1.1]`",
        "Protocols that are offered inside of TLS, the preferred one first. A client that offers others only is refused."
    )
    static let clientAuth = Key(
        "client_auth", .section(ClientAuthKeys.section), stands: "clients are not asked",
        "Certificates of clients. Rules can pass `{tls_client_subject}` on.")
    static let keyLog = Key(
        "key_log", .keyLogPath, stands: "none",
        "For debugging: a file on the nodes' hosts that gets the secrets of every connection, in the format that Wireshark reads. Whoever reads it can decrypt what was recorded."
    )
    static let earlyData = Key(
        "early_data", .truth, default: false,
        "Answers requests that clients send in TLS 1.3's early data (0-RTT): GET, HEAD and OPTIONS without a body, which the endpoint gets with `Early-Data: 1` (RFC 8470); it may answer 425, and the client sends the request again. Others wait until the handshake is complete. Early data can be sent again by whoever recorded it: for some 10 s, to every node. At most 16 KiB. Not together with `client_auth`."
    )
    static let section = Section(
        "listeners.NAME.tls", "",
        keys: [
            certificates.declaration, minimum.declaration, alpn.declaration, clientAuth.declaration,
            earlyData.declaration, keyLog.declaration,
        ])
}

enum ClientAuthKeys {
    static let ca = Key(
        "ca", .shaped("the path of a PEM file"), stands: "required",
        "Certificates that those of clients must be issued by.")
    static let mode = Key(
        "mode", .word([("request", ClientAuthentication.Mode.request), ("require", .require)]),
        default: ClientAuthentication.Mode.require,
        "`require`: a client without a certificate is refused. `request`: it may do without; one that doesn't verify is refused all the same."
    )
    static let section = Section(
        "listeners.NAME.tls.client_auth", "", keys: [ca.declaration, mode.declaration])
}

enum CertificateKeys {
    static let chain = Key(
        "chain", .shaped("the path of a PEM file"), stands: "required",
        "The certificate, then those that it was issued by. Relative to the directory of the site file, as all paths here; the control plane reads the file whenever it compiles the site, and its content travels to the nodes."
    )
    static let key = Key(
        "key", .shaped("the path of a PEM file"), stands: "required",
        "The certificate's private key, without a passphrase. Nodes keep it in files that only their user can read.")
    static let ocsp = Key(
        "ocsp", .shaped("fetch, or the path of a file in DER"), stands: "none",
        "An OCSP response for the certificate, which clients that ask for its status get until its nextUpdate. `fetch`: the control plane asks the `http://` responder that the certificate names, when half of a response's time is over, at least every 12 h; `chain` must hold the issuer, which the response has to be signed by. A response that says anything but good isn't handed out. With a file: apply the site again when it has been renewed (a file named fetch is `./fetch`)."
    )
    static let section = Section(
        "listeners.NAME.tls.certificates[]", "", keys: [chain.declaration, key.declaration, ocsp.declaration])
    /// Of a certificate that is shown to endpoints, which don't ask for its status.
    static let clientSection = Section(
        "pools.NAME.tls.certificate", "", keys: [chain.declaration, key.declaration])

    /// The word that stands for a responder in place of a file.
    static let fetch = "fetch"
}

extension Form where Value == TLSVersion {
    static var tlsVersion: Form {
        let names = TLSVersion.allCases.map(\.name)
        return .scalar(
            names.map(\.quoted).joined(separator: " or "), render: { $0.name.quoted },
            hint: { text in ["1.0", "1.1"].contains(text) ? "versions before 1.2 are not spoken (RFC 8996)" : nil },
            parse: { text in TLSVersion.allCases.first { $0.name == text } })
    }
}

extension Form where Value == ApplicationProtocol {
    static var applicationProtocol: Form {
        .word([("h2", ApplicationProtocol.http2), ("http/1.1", .http11)])
    }
}

/// The keys of `tls` of a pool.
enum EndpointTLSKeys {
    static let ca = Key(
        "ca", .shaped("the path of a PEM file"), stands: "what the nodes' hosts trust",
        "Certificates that those of the endpoints must be issued by.")
    static let serverName = Key(
        "server_name", .serverName, stands: "the endpoint's IP address, and no name is asked for",
        "What the endpoints' certificates must name; it is asked for (SNI).")
    static let certificate = Key(
        "certificate", .section(CertificateKeys.clientSection), stands: "none",
        "Shown to endpoints that ask for a certificate, as in `{chain: client.pem, key: client.key}`.")
    static let verify = Key(
        "verify", .word([("full", true), ("none", false)]), default: true,
        "`none`: certificates of endpoints are not looked at. Whoever can interfere with the connection can then read and change what goes over it."
    )
    static let section = Section(
        "pools.NAME.tls",
        "FIN without close_notify within an answer that ends with the connection counts as a cut. Sessions are taken up again, one for each endpoint.",
        keys: [ca.declaration, serverName.declaration, certificate.declaration, verify.declaration])
}

extension Form where Value == String {
    static var keyLogPath: Form {
        .scalar(
            "an absolute path such as \("/tmp/keys.log".quoted)",
            parse: { $0.hasPrefix("/") && !$0.hasSuffix("/") && !$0.contains("\0") ? $0 : nil })
    }

    static var serverName: Form {
        .scalar(
            "a name such as \("api.internal".quoted)",
            hint: { text in text.contains("*") ? "the name of a host, not a pattern" : nil },
            parse: { HostSyntax.isName($0) ? $0.lowercased() : nil })
    }
}
