import EventLoop
import Glibc
import NodeLink
import Snapshot
import Synchronization

/// A proxy node of one worker, as a forwarder sees it: takes handed-over sockets, answers as told, and serves each
/// accepted one by sending its name and everything up to the client's FIN back.
final class FakeNode: @unchecked Sendable {
    enum Policy: Sendable {
        case accept
        case refuse
        /// Reads messages and never answers.
        case silent
    }

    let name: String
    let prefix: String
    private let policy: Policy
    private let listener: CInt
    private let state = Mutex<State>(State())
    /// Gets the descriptor count of each message that arrives.
    let arrivals = Mailbox<Int>()

    private struct State {
        var links: [CInt] = []
        var connections: [HandedOverConnection] = []
        var isDead = false
    }

    static func makePrefix() -> String { "/tmp/sluice-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))" }

    init(_ name: String, _ policy: Policy = .accept, prefix: String = makePrefix()) throws {
        self.name = name
        self.policy = policy
        self.prefix = prefix
        listener = try Socket.listen(onPath: "\(prefix).0.sock", type: CInt(SOCK_SEQPACKET.rawValue)).release()
        // Threads hold the node until `stop`.
        Thread.start("node \(name)") { self.acceptLinks() }
    }

    /// What was handed over, whether accepted or not.
    var connections: [HandedOverConnection] { state.withLock { $0.connections } }

    func member(draining: Bool = false) -> NodeMember {
        NodeMember(id: name, reach: .handOver(prefix: prefix, workers: 1), draining: draining)
    }

    /// As SIGKILL would: all links break and nobody listens.
    func die() {
        unlink("\(prefix).0.sock")
        state.withLock { state in
            state.isDead = true
            for link in state.links { shutdown(link, CInt(SHUT_RDWR)) }
        }
        shutdown(listener, CInt(SHUT_RDWR))
    }

    private func acceptLinks() {
        defer { close(listener) }
        var ready = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        while poll(&ready, 1, -1) >= 0 {
            let link = accept(listener, nil, nil)
            if link < 0 { return }
            let isDead = state.withLock { state in
                state.links.append(link)
                return state.isDead
            }
            if isDead { shutdown(link, CInt(SHUT_RDWR)) }
            Thread.start("link of \(name)") { self.serve(link) }
        }
    }

    private func serve(_ link: CInt) {
        defer {
            state.withLock { state in state.links.removeAll { $0 == link } }
            close(link)
        }
        var message = [UInt8](repeating: 0, count: HandOverMessage.bytesMax)
        var descriptors = [CInt](repeating: -1, count: HandOverMessage.connectionsMax)
        while true {
            var ready = pollfd(fd: link, events: Int16(POLLIN), revents: 0)
            poll(&ready, 1, -1)
            var count = 0
            let transfer = message.withUnsafeMutableBytes { buffer in
                DescriptorPassing.receive(link, payload: buffer, descriptors: &descriptors, count: &count)
            }
            guard case .bytes(let length) = transfer else { return }
            do {
                try message.withUnsafeBytes { buffer in
                    let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<length]).bytes
                    let stated = try HandOverMessage.count(bytes, descriptors: count)
                    for index in 0..<stated {
                        let connection = try HandOverMessage.connection(at: index, in: bytes)
                        state.withLock { $0.connections.append(connection) }
                    }
                }
            } catch {
                return
            }
            arrivals.post(count)
            answer(link, Array(descriptors[..<count]))
        }
    }

    private func answer(_ link: CInt, _ clients: [CInt]) {
        switch policy {
        case .accept:
            let answers = [UInt8](repeating: HandOverAnswer.accepted.rawValue, count: clients.count)
            send(link, answers, answers.count, CInt(MSG_NOSIGNAL))
            for descriptor in clients {
                let client = TestSocket(adopting: descriptor)
                Thread.start("client of \(name)") { [name] in
                    guard let request = try? client.textToEnd() else { return }
                    try? client.send("\(name):\(request)")
                }
            }
        case .refuse:
            for descriptor in clients { close(descriptor) }
            let answers = [UInt8](repeating: HandOverAnswer.refused.rawValue, count: clients.count)
            send(link, answers, answers.count, CInt(MSG_NOSIGNAL))
        case .silent:
            for descriptor in clients { close(descriptor) }
        }
    }
}
