import CLinux
import Glibc

/// Passing open sockets to another process of this host (`SCM_RIGHTS`, `unix(7)`).
package enum DescriptorPassing {
    /// Descriptors in one message at most.
    package static let descriptorsMax = Int(CLINUX_DESCRIPTORS_MAX)

    /// Sends one message on a `SOCK_SEQPACKET` socket. The descriptors stay open here.
    package static func send(
        _ socket: CInt, payload: UnsafeRawBufferPointer, descriptors: UnsafeBufferPointer<CInt>
    ) -> Transfer {
        precondition(descriptors.count <= descriptorsMax, "too many descriptors for one message")
        while true {
            let result = unsafe clinux_send_descriptors(
                socket, payload.baseAddress, payload.count, descriptors.baseAddress, CInt(descriptors.count))
            if result >= 0 { return .bytes(result) }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }

    /// Receives one message. On anything but `.bytes` no descriptor was received.
    ///
    /// - Parameters:
    ///   - payload: Room for the message; a longer one is an error (`EMSGSIZE`) and its descriptors are closed.
    ///   - descriptors: Room for `descriptorsMax`; the caller owns what is written there.
    ///   - count: How many descriptors were written.
    package static func receive(
        _ socket: CInt, payload: UnsafeMutableRawBufferPointer, descriptors: UnsafeMutablePointer<CInt>,
        count: inout Int
    ) -> Transfer {
        while true {
            var received: CInt = 0
            var truncated: CInt = 0
            let result = unsafe clinux_receive_descriptors(
                socket, payload.baseAddress, payload.count, descriptors, &received, &truncated)
            count = Int(received)
            if truncated != 0 {
                for index in 0..<count { close(unsafe descriptors[index]) }
                count = 0
                return .failed(EMSGSIZE)
            }
            if result > 0 { return .bytes(result) }
            if result == 0 { return .endOfStream }
            if errno == EAGAIN { return .wouldBlock }
            if errno != EINTR { return .failed(errno) }
        }
    }
}
