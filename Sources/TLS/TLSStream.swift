import COpenSSL

/// The TLS state of one connection: a handle, freed by `TLSTransport.close`.
///
/// A plain value without a reference count, to lie in a connection's slot.
@safe
package struct TLSStream: BitwiseCopyable, @unchecked Sendable {
    // Unchecked: a stream has one worker at a time; it is handed on as its descriptor is.

    let handle: OpaquePointer

    init(_ handle: OpaquePointer) { unsafe self.handle = unsafe handle }

    /// Of a stream whose handshake is over.
    package var version: TLSVersion { unsafe SSL_version(handle) == TLS1_2_VERSION ? .tls12 : .tls13 }

    /// The handshake took up an earlier session.
    package var isResumed: Bool { unsafe SSL_session_reused(handle) == 1 }

    /// What ALPN (RFC 7301) chose; nil when the peers did without it, or chose what isn't known here.
    package var applicationProtocol: ApplicationProtocol? {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        unsafe SSL_get0_alpn_selected(handle, &name, &length)
        guard let name = unsafe name else { return nil }
        let bytes = unsafe UnsafeBufferPointer(start: name, count: Int(length))
        return ApplicationProtocol.allCases.first { unsafe bytes.elementsEqual($0.name.utf8) }
    }
}

/// Protocol versions that are spoken; older ones are not (RFC 8996).
package enum TLSVersion: UInt8, Sendable, CaseIterable {
    case tls12 = 2
    case tls13 = 3

    /// The words of the site file, of metrics and of `{tls_version}`.
    package var name: String {
        switch self {
        case .tls12: "1.2"
        case .tls13: "1.3"
        }
    }

    var number: CInt { self == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION }
}

/// What may be spoken inside of TLS, by ALPN.
package enum ApplicationProtocol: UInt8, Sendable, CaseIterable {
    case http11 = 0
    case http2 = 1

    /// RFC 7301 §6.
    package var name: String {
        switch self {
        case .http11: "http/1.1"
        case .http2: "h2"
        }
    }
}

/// How a handshake goes on.
package enum TLSHandshake: Equatable {
    case done
    /// The socket has no more bytes of it.
    case wouldBlock
    /// The connection is to be closed; why.
    case failed(Failure)

    package enum Failure: UInt8, CaseIterable, Sendable {
        /// The peer closed or reset the connection.
        case closed = 0
        /// Neither side's versions, ciphers, groups or protocols meet.
        case noCommonParameters = 1
        /// The peer's certificate is missing or doesn't verify.
        case certificate = 2
        /// The peer ended it with an alert of its own: it doesn't trust our certificate, or knows no such name.
        case alert = 3
        /// The bytes are no TLS, or break its rules.
        case malformed = 4

        /// The label of the metric.
        package var name: String {
            switch self {
            case .closed: "closed"
            case .noCommonParameters: "no-common-parameters"
            case .certificate: "certificate"
            case .alert: "alert"
            case .malformed: "malformed"
            }
        }
    }
}
