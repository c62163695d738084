import Dispatch
import EventLoop
import Glibc
import Testing

@Suite("DescriptorPassing")
struct DescriptorPassingTests {
    /// Two ends of a `SOCK_SEQPACKET` pair.
    private final class Pair {
        let ends: [CInt]

        init() throws {
            var ends: [CInt] = [-1, -1]
            try #require(socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
            self.ends = ends
        }

        deinit { for end in ends { close(end) } }
    }

    private struct Received {
        var transfer: Transfer
        var payload: [UInt8]
        var descriptors: [CInt]
    }

    private func send(_ socket: CInt, _ payload: [UInt8], _ descriptors: [CInt]) -> Transfer {
        payload.withUnsafeBytes { bytes in
            descriptors.withUnsafeBufferPointer {
                DescriptorPassing.send(socket, payload: bytes, descriptors: $0)
            }
        }
    }

    private func receive(_ socket: CInt, room: Int = 64) -> Received {
        var payload = [UInt8](repeating: 0, count: room)
        var descriptors = [CInt](repeating: -1, count: DescriptorPassing.descriptorsMax)
        var count = 0
        let transfer = payload.withUnsafeMutableBytes { bytes in
            descriptors.withUnsafeMutableBufferPointer {
                DescriptorPassing.receive(socket, payload: bytes, descriptors: $0.baseAddress!, count: &count)
            }
        }
        if case .bytes(let bytes) = transfer { payload = Array(payload.prefix(bytes)) } else { payload = [] }
        return Received(transfer: transfer, payload: payload, descriptors: Array(descriptors.prefix(count)))
    }

    /// What tells open files apart whatever their descriptors' numbers are.
    private func identity(_ descriptor: CInt) -> [UInt64] {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? [UInt64(status.st_dev), UInt64(status.st_ino)] : []
    }

    @Test("descriptors arrive open, in order, with the payload", arguments: [0, 1, 2, 63, 64])
    func passes(count: Int) throws {
        let pair = try Pair()
        var sent: [CInt] = []
        for _ in 0..<count { sent.append(eventfdOrPipe()) }
        defer { for descriptor in sent { close(descriptor) } }
        #expect(send(pair.ends[0], [1, 2, 3], sent) == .bytes(3))
        let received = receive(pair.ends[1])
        defer { for descriptor in received.descriptors { close(descriptor) } }
        #expect(received.transfer == .bytes(3))
        #expect(received.payload == [1, 2, 3])
        #expect(received.descriptors.map(identity) == sent.map(identity))
        #expect(Set(received.descriptors).isDisjoint(with: sent))
        for descriptor in received.descriptors { #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0) }
    }

    /// A socket: each has an inode of its own.
    private func eventfdOrPipe() -> CInt { socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0) }

    @Test("messages keep their own descriptors")
    func separate() throws {
        let pair = try Pair()
        let sent = (0..<3).map { _ in eventfdOrPipe() }
        defer { for descriptor in sent { close(descriptor) } }
        #expect(send(pair.ends[0], [1], [sent[0], sent[1]]) == .bytes(1))
        #expect(send(pair.ends[0], [2], [sent[2]]) == .bytes(1))
        let first = receive(pair.ends[1])
        let second = receive(pair.ends[1])
        defer { for descriptor in first.descriptors + second.descriptors { close(descriptor) } }
        #expect(first.payload == [1] && first.descriptors.map(identity) == sent.prefix(2).map(identity))
        #expect(second.payload == [2] && second.descriptors.map(identity) == sent.suffix(1).map(identity))
    }

    /// A call that waits is ended by shutting its socket down, so that the test fails and doesn't hang.
    private func withoutWaiting(_ socket: CInt, _ call: () -> Transfer) -> Transfer {
        let returned = DispatchSemaphore(value: 0)
        let watch = DispatchWorkItem {
            if returned.wait(timeout: .now() + 10) == .timedOut { shutdown(socket, CInt(SHUT_RDWR)) }
        }
        DispatchQueue.global().async(execute: watch)
        let transfer = call()
        returned.signal()
        watch.wait()
        return transfer
    }

    @Test("a peer that doesn't read makes no sender wait, and what it was sent is there when it does")
    func full() throws {
        let pair = try Pair()
        var sent = 0
        let last = withoutWaiting(pair.ends[0]) {
            while true {
                let transfer = send(pair.ends[0], [UInt8](repeating: 7, count: 1024), [])
                guard transfer == .bytes(1024), sent < 100_000 else { return transfer }
                sent += 1
            }
        }
        #expect(last == .wouldBlock)
        #expect(sent > 0)
        for _ in 0..<sent { #expect(receive(pair.ends[1], room: 1024).transfer == .bytes(1024)) }
        #expect(send(pair.ends[0], [1], []) == .bytes(1))
    }

    @Test("nothing there, and a peer that has gone, are outcomes")
    func outcomes() throws {
        var ends: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
        #expect(withoutWaiting(ends[1]) { receive(ends[1]).transfer } == .wouldBlock)
        close(ends[0])
        #expect(receive(ends[1]).transfer == .endOfStream)
        #expect(send(ends[1], [1], []) == .failed(EPIPE))
        close(ends[1])
    }

    @Test("a message beyond the room is an error, and its descriptors are not leaked", arguments: [3, 4, 5])
    func truncated(bytes: Int) throws {
        let pair = try Pair()
        var ends: [CInt] = [-1, -1]
        try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { close(ends[0]) }
        #expect(send(pair.ends[0], [UInt8](repeating: 1, count: bytes), [ends[1]]) == .bytes(bytes))
        close(ends[1])
        let received = receive(pair.ends[1], room: 4)
        var byte: UInt8 = 0
        if bytes > 4 {
            #expect(received.transfer == .failed(EMSGSIZE))
            #expect(received.descriptors.isEmpty)
            // The last descriptor of the other end is closed: end of stream.
            #expect(Socket.receive(ends[0], &byte, 1) == .endOfStream)
        } else {
            #expect(received.transfer == .bytes(bytes))
            #expect(received.descriptors.count == 1)
            for descriptor in received.descriptors { close(descriptor) }
        }
    }
}
