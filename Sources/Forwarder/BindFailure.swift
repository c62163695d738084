import EventLoop
import Glibc

/// Why a listener can't be bound, for operators: the thing, the value and the next step.
enum BindFailure {
    static func message(listener: String, address: IPEndpoint, _ error: SocketError) -> String {
        "listener \(listener): cannot bind \(address) (\(name(of: error.code))): \(hint(for: error.code, port: address.port))"
    }

    private static func hint(for code: CInt, port: UInt16) -> String {
        switch code {
        case EACCES: "run as root, grant CAP_NET_BIND_SERVICE, or use a port above 1023"
        case EADDRINUSE: "another process listens there; 'ss -ltnp sport = :\(port)' names it"
        case EADDRNOTAVAIL: "no interface of this host has that address"
        case EMFILE, ENFILE: "raise the limit of open files (LimitNOFILE, ulimit -n)"
        case EAFNOSUPPORT: "this host has no IPv6"
        default: unsafe String(cString: strerror(code))
        }
    }

    private static func name(of code: CInt) -> String {
        switch code {
        case EACCES: "EACCES"
        case EADDRINUSE: "EADDRINUSE"
        case EADDRNOTAVAIL: "EADDRNOTAVAIL"
        case EMFILE: "EMFILE"
        case ENFILE: "ENFILE"
        case EAFNOSUPPORT: "EAFNOSUPPORT"
        default: "error \(code)"
        }
    }
}
