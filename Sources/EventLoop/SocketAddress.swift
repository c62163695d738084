import Glibc

/// Where a socket listens or connects: an IP address and port, or a Unix socket path.
package enum SocketAddress: Hashable, Sendable {
    case ip(IPEndpoint)
    /// A file system path of at most `unixPathBytesMax` bytes.
    case unix(String)

    /// `sun_path` without its closing NUL (`unix(7)`).
    package static let unixPathBytesMax = 107

    /// Takes `1.2.3.4:80`, `[v6]:80` and `unix:/path`; nil for anything else, such as a name.
    package init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard path.hasPrefix("/"), path.utf8.count <= SocketAddress.unixPathBytesMax else { return nil }
            self = .unix(path)
        } else if let endpoint = IPEndpoint(text) {
            self = .ip(endpoint)
        } else {
            return nil
        }
    }

    /// `AF_INET`, `AF_INET6` or `AF_UNIX`.
    package var family: CInt {
        switch self {
        case .ip(let endpoint): endpoint.family == .v4 ? AF_INET : AF_INET6
        case .unix: AF_UNIX
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    package var description: String {
        switch self {
        case .ip(let endpoint): endpoint.description
        case .unix(let path): "unix:\(path)"
        }
    }
}
