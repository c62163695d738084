import CLinux
import Glibc

/// What one read, write or splice did.
package enum Transfer: Equatable, Sendable {
    /// More than zero bytes.
    case bytes(Int)
    case wouldBlock
    /// Reading only: the peer has sent FIN.
    case endOfStream
    /// The connection is broken: ECONNRESET, EPIPE, ETIMEDOUT, …
    case failed(CInt)
}

/// System calls on sockets: `EINTR` is retried here and nowhere else.
package enum Socket {
    /// `SOCK_SEQPACKET`: a connection that keeps message boundaries.
    package static var sequencedPackets: CInt { CInt(SOCK_SEQPACKET.rawValue) }

    // MARK: making

    /// A listening TCP socket, non-blocking, with `SO_REUSEPORT` so that each worker has its own queue.
    ///
    /// `TCP_NODELAY` is inherited by what it accepts. `deferAccept` keeps a connection in the kernel until its first
    /// bytes are there (a second at most): one wake-up instead of two for protocols in which the client speaks first.
    package static func listen(on address: IPEndpoint, deferAccept: Bool) throws(SocketError) -> OwnedDescriptor {
        let socket = try make(address.family == .v4 ? AF_INET : AF_INET6, CInt(SOCK_STREAM.rawValue))
        try set(socket.rawValue, SOL_SOCKET, SO_REUSEADDR, 1)
        try set(socket.rawValue, SOL_SOCKET, SO_REUSEPORT, 1)
        try set(socket.rawValue, CInt(IPPROTO_TCP), TCP_NODELAY, 1)
        if address.family == .v6 { try set(socket.rawValue, CInt(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        if deferAccept { try set(socket.rawValue, CInt(IPPROTO_TCP), TCP_DEFER_ACCEPT, 1) }
        try bind(socket.rawValue, .ip(address))
        guard Glibc.listen(socket.rawValue, backlog) == 0 else { throw SocketError(call: "listen", code: errno) }
        return socket
    }

    /// Connections that wait to be accepted; the kernel caps it at `net.core.somaxconn`.
    private static let backlog: CInt = 4096

    package static func make(_ family: CInt, _ type: CInt) throws(SocketError) -> OwnedDescriptor {
        let raw = Glibc.socket(family, type | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw SocketError(call: "socket", code: errno) }
        return OwnedDescriptor(adopting: raw)
    }

    package static func bind(_ socket: CInt, _ address: SocketAddress) throws(SocketError) {
        let result = unsafe withSockaddr(address) { unsafe Glibc.bind(socket, $0, $1) }
        guard result == 0 else { throw SocketError(call: "bind", code: errno) }
    }

    package enum ConnectOutcome: ~Copyable { case connected(OwnedDescriptor), inProgress(OwnedDescriptor) }

    /// Starts a non-blocking connection; `TCP_NODELAY` is set on TCP.
    ///
    /// - Throws: What `connect(2)` says at once, such as `ECONNREFUSED` on loopback or `EAGAIN` of a full Unix queue.
    package static func connect(
        to address: SocketAddress, type: CInt = CInt(SOCK_STREAM.rawValue)
    ) throws(SocketError) -> ConnectOutcome {
        let socket = try make(address.family, type)
        if case .ip = address, type == CInt(SOCK_STREAM.rawValue) {
            try set(socket.rawValue, CInt(IPPROTO_TCP), TCP_NODELAY, 1)
        }
        while true {
            let result = unsafe withSockaddr(address) { unsafe Glibc.connect(socket.rawValue, $0, $1) }
            if result == 0 { return .connected(socket) }
            switch errno {
            case EINTR: continue
            case EINPROGRESS: return .inProgress(socket)
            case let code: throw SocketError(call: "connect", code: code)
            }
        }
    }

    package enum AcceptOutcome {
        /// A non-blocking socket, which the caller now owns, and its peer.
        case connection(CInt, IPEndpoint)
        case wouldBlock
    }

    /// One `accept4(2)` on a TCP listener. "Nothing to accept" is an outcome, not an error.
    ///
    /// - Throws: What the caller must act on, such as `EMFILE` (pause the listener).
    package static func accept(on listener: CInt) throws(SocketError) -> AcceptOutcome {
        while true {
            var storage = sockaddr_in6()
            var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            let raw = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe accept4(
                        listener, $0, &length, CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue))
                }
            }
            if raw >= 0 { return .connection(raw, endpoint(storage)) }
            switch errno {
            // The peer left, or the network failed, before we took it (accept(2)): the next one may be fine.
            case EINTR, ECONNABORTED, ENETDOWN, EPROTO, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH:
                continue
            case EAGAIN: return .wouldBlock
            case let code: throw SocketError(call: "accept4", code: code)
            }
        }
    }

    /// A Unix listener; a stale socket file at `path` is replaced.
    package static func listen(onPath path: String, type: CInt) throws(SocketError) -> OwnedDescriptor {
        let socket = try make(AF_UNIX, type)
        unsafe unlink(path)
        try bind(socket.rawValue, .unix(path))
        guard Glibc.listen(socket.rawValue, backlog) == 0 else { throw SocketError(call: "listen", code: errno) }
        return socket
    }

    /// One `accept4(2)` on a Unix listener; nil when nothing waits.
    package static func acceptUnix(on listener: CInt) throws(SocketError) -> OwnedDescriptor? {
        while true {
            let raw = accept4(listener, nil, nil, CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue))
            if raw >= 0 { return OwnedDescriptor(adopting: raw) }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EAGAIN: return nil
            case let code: throw SocketError(call: "accept4", code: code)
            }
        }
    }

    // MARK: options and state

    package static func set(_ socket: CInt, _ level: CInt, _ option: CInt, _ value: CInt) throws(SocketError) {
        var value = value
        guard unsafe setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<CInt>.size)) == 0 else {
            throw SocketError(call: "setsockopt", code: errno)
        }
    }

    /// `SO_ERROR`: how a connect in progress ended; 0 is success.
    package static func pendingError(_ socket: CInt) -> CInt {
        var code: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return unsafe getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    /// Bytes sent that the peer's kernel has acknowledged (`tcpi_bytes_acked`, `tcp(7)`); 0 for what is no TCP.
    package static func acknowledgedBytes(_ socket: CInt) -> UInt64 {
        let count = unsafe withInformation(of: socket, bytesMin: 128) {
            unsafe $0.loadUnaligned(fromByteOffset: 120, as: UInt64.self)
        }
        return count ?? 0
    }

    /// Segments sent that carried no data (`tcpi_segs_out` less `tcpi_data_segs_out`), modulo 2^32; nil for what is no TCP.
    package static func acknowledgementsSent(_ socket: CInt) -> UInt32? {
        unsafe withInformation(of: socket, bytesMin: 160) {
            unsafe $0.loadUnaligned(fromByteOffset: 136, as: UInt32.self)
                &- $0.loadUnaligned(fromByteOffset: 156, as: UInt32.self)
        }
    }

    /// `struct tcp_info` of linux/tcp.h, which is longer than the C library's: members are read by their place.
    ///
    /// - Returns: nil for what is no TCP, or when the kernel knows fewer members.
    private static func withInformation<Value>(
        of socket: CInt, bytesMin: Int, _ read: (UnsafeMutableRawBufferPointer) -> Value
    ) -> Value? {
        unsafe withUnsafeTemporaryAllocation(byteCount: 256, alignment: 8) { information in
            var length = socklen_t(information.count)
            let code = unsafe getsockopt(socket, CInt(IPPROTO_TCP), TCP_INFO, information.baseAddress!, &length)
            guard code == 0, Int(length) >= bytesMin else { return nil }
            return unsafe read(information)
        }
    }

    /// The address a TCP socket is bound to.
    package static func localAddress(_ socket: CInt) -> IPEndpoint? { unsafe name(socket, getsockname) }

    package static func peerAddress(_ socket: CInt) -> IPEndpoint? { unsafe name(socket, getpeername) }

    /// Whether an idle connection is open with nothing to read: no FIN, no RST, no stray bytes.
    package static func isQuiet(_ socket: CInt) -> Bool {
        var byte: UInt8 = 0
        return unsafe recv(socket, &byte, 1, CInt(MSG_PEEK) | CInt(MSG_DONTWAIT)) < 0 && errno == EAGAIN
    }

    /// Sends FIN; reading goes on.
    package static func shutdownWriting(_ socket: CInt) { _ = Glibc.shutdown(socket, CInt(SHUT_WR)) }

    /// Ends both directions; what has come can still be read.
    package static func shutdownBoth(_ socket: CInt) { _ = Glibc.shutdown(socket, CInt(SHUT_RDWR)) }

    /// The next `close` sends RST instead of FIN, and what is unsent is lost.
    package static func setReset(_ socket: CInt) {
        var linger = linger(l_onoff: 1, l_linger: 0)
        _ = unsafe setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
    }

    // MARK: bytes

    /// - Parameter peeks: What is received stays in the socket's queue (`MSG_PEEK`).
    package static func receive(
        _ socket: CInt, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, peeks: Bool = false
    ) -> Transfer {
        while true {
            let result = unsafe recv(socket, bytes, count, peeks ? CInt(MSG_PEEK) : 0)
            if result > 0 { return .bytes(result) }
            if result == 0 { return .endOfStream }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }

    /// Looks at what stands in the queue of a TCP socket behind bytes that were looked at before.
    ///
    /// - Parameters:
    ///   - bytes: Room for `count` bytes, no fewer than `behind`; gets what is new.
    ///   - behind: How many were looked at before.
    /// - Returns: `.wouldBlock` when there are no others, whether there will be or not.
    package static func peek(
        _ socket: CInt, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int, behind: Int
    ) -> Transfer {
        precondition(behind <= count, "peek behind \(behind) bytes with room for \(count)")
        // Both parts begin at the same place: what is known already is overwritten.
        var parts = unsafe (iovec(iov_base: bytes, iov_len: behind), iovec(iov_base: bytes, iov_len: count))
        while true {
            let result = unsafe withUnsafeMutablePointer(to: &parts) { pointer in
                var message = unsafe msghdr()
                unsafe message.msg_iov = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: iovec.self)
                unsafe message.msg_iovlen = 2
                return unsafe recvmsg(socket, &message, CInt(MSG_PEEK))
            }
            if result > behind { return .bytes(result - behind) }
            if result >= 0 || errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }

    /// Bytes that have come and were not taken; negative when the kernel doesn't say.
    package static func queuedBytes(_ socket: CInt) -> Int { Int(clinux_queued_bytes(socket)) }

    /// Takes bytes that were looked at out of the queue of a TCP socket.
    package static func discard(_ socket: CInt, _ count: Int) {
        while recv(socket, nil, count, CInt(MSG_TRUNC) | CInt(MSG_DONTWAIT)) < 0, errno == EINTR {}
    }

    /// - Parameter more: More follows at once: the kernel may hold a partial segment back (`MSG_MORE`).
    package static func send(
        _ socket: CInt, _ bytes: UnsafePointer<UInt8>, _ count: Int, more: Bool = false
    ) -> Transfer {
        let flags = CInt(MSG_NOSIGNAL) | (more ? CInt(MSG_MORE) : 0)
        while true {
            let result = unsafe Glibc.send(socket, bytes, count, flags)
            if result >= 0 { return .bytes(result) }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }

    /// Two slices in one `sendmsg(2)`; either may be empty.
    package static func send(
        _ socket: CInt, _ first: UnsafePointer<UInt8>, _ firstCount: Int, _ second: UnsafePointer<UInt8>?,
        _ secondCount: Int, more: Bool = false
    ) -> Transfer {
        guard secondCount > 0 else { return unsafe send(socket, first, firstCount, more: more) }
        var parts = unsafe (
            iovec(iov_base: UnsafeMutableRawPointer(mutating: first), iov_len: firstCount),
            iovec(iov_base: UnsafeMutableRawPointer(mutating: second), iov_len: secondCount)
        )
        let flags = CInt(MSG_NOSIGNAL) | (more ? CInt(MSG_MORE) : 0)
        while true {
            let result = unsafe withUnsafeMutablePointer(to: &parts) { pointer in
                var message = unsafe msghdr()
                unsafe message.msg_iov = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: iovec.self)
                unsafe message.msg_iovlen = 2
                return unsafe sendmsg(socket, &message, flags)
            }
            if result >= 0 { return .bytes(result) }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }

    /// Moves bytes from a socket into a pipe. An empty pipe makes `wouldBlock` mean that the socket is empty.
    package static func splice(from socket: CInt, into pipe: inout Pipe, count: Int) -> Transfer {
        let result = move(socket, pipe.writeEnd, count, more: false)
        if case .bytes(let moved) = result { pipe.count += moved }
        return result
    }

    /// Moves bytes from a pipe into a socket.
    package static func splice(from pipe: inout Pipe, to socket: CInt, more: Bool) -> Transfer {
        let result = move(pipe.readEnd, socket, pipe.count, more: more)
        if case .bytes(let moved) = result { pipe.count -= moved }
        return result
    }

    private static func move(_ source: CInt, _ target: CInt, _ count: Int, more: Bool) -> Transfer {
        let flags = CLINUX_SPLICE_F_MOVE | CLINUX_SPLICE_F_NONBLOCK | (more ? CLINUX_SPLICE_F_MORE : 0)
        while true {
            let result = CLinux.splice(source, nil, target, nil, count, flags)
            if result > 0 { return .bytes(result) }
            if result == 0 { return .endOfStream }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }

    // MARK: addresses

    private static func name(
        _ socket: CInt, _ call: (CInt, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> CInt
    ) -> IPEndpoint? {
        var storage = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe call(socket, $0, &length) }
        }
        return result == 0 ? endpoint(storage) : nil
    }

    private static func endpoint(_ storage: sockaddr_in6) -> IPEndpoint {
        guard CInt(storage.sin6_family) == AF_INET else {
            return IPEndpoint(storage.sin6_addr, port: UInt16(bigEndian: storage.sin6_port))
        }
        let v4 = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in.self) }
        return IPEndpoint(v4: UInt32(bigEndian: v4.sin_addr.s_addr), port: UInt16(bigEndian: v4.sin_port))
    }

    private static func withSockaddr<Result>(
        _ address: SocketAddress, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        switch address {
        case .ip(let endpoint) where endpoint.family == .v4:
            var v4 = sockaddr_in()
            v4.sin_family = sa_family_t(AF_INET)
            v4.sin_port = endpoint.port.bigEndian
            v4.sin_addr.s_addr = UInt32(truncatingIfNeeded: endpoint.low).bigEndian
            return unsafe rebound(&v4, MemoryLayout<sockaddr_in>.size, body)
        case .ip(let endpoint):
            var v6 = sockaddr_in6()
            v6.sin6_family = sa_family_t(AF_INET6)
            v6.sin6_port = endpoint.port.bigEndian
            v6.sin6_addr = endpoint.in6Address
            return unsafe rebound(&v6, MemoryLayout<sockaddr_in6>.size, body)
        case .unix(let path):
            var local = sockaddr_un()
            local.sun_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &local.sun_path) { target in
                unsafe target.copyBytes(from: path.utf8.prefix(SocketAddress.unixPathBytesMax))
            }
            return unsafe rebound(&local, MemoryLayout<sockaddr_un>.size, body)
        }
    }

    private static func rebound<Value, Result>(
        _ value: inout Value, _ size: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        unsafe withUnsafePointer(to: &value) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, socklen_t(size)) }
        }
    }
}
