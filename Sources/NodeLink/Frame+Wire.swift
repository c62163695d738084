package import Snapshot
import TLS

extension Frame {
    private enum Kind: UInt8 {
        case hello = 1
        case applied = 2
        case rejected = 3
        case membershipApplied = 4
        case report = 5
        case drained = 6
        case votes = 7
        case snapshot = 64
        case membership = 65
        case reportRequest = 66
        case drain = 67
        case resume = 68
        case stop = 69
        case reopenLog = 70
    }

    /// The whole frame, length included.
    package func encoded() -> [UInt8] {
        var out = WireWriter()
        switch self {
        case .hello(let hello):
            out.write(Kind.hello.rawValue)
            out.write(hello)
        case .applied(let revision, let digest):
            out.write(Kind.applied.rawValue)
            out.write(revision)
            out.write(digest)
        case .rejected(let revision, let message):
            out.write(Kind.rejected.rawValue)
            out.write(revision)
            out.write(message)
        case .membershipApplied(let version):
            out.write(Kind.membershipApplied.rawValue)
            out.write(version)
        case .report(let id, let report):
            out.write(Kind.report.rawValue)
            out.write(id)
            out.write(list: report.samples) { out, sample in
                out.write(sample.name)
                out.write(list: sample.labels) { out, label in
                    out.write(label.name)
                    out.write(label.value)
                }
                out.write(sample.value)
            }
        case .drained: out.write(Kind.drained.rawValue)
        case .votes(let votes):
            out.write(Kind.votes.rawValue)
            out.write(votes)
        case .snapshot(let bytes):
            out.write(Kind.snapshot.rawValue)
            out.write(bytes)
        case .membership(let membership):
            out.write(Kind.membership.rawValue)
            out.write(membership)
        case .reportRequest(let id):
            out.write(Kind.reportRequest.rawValue)
            out.write(id)
        case .drain(let deadline):
            out.write(Kind.drain.rawValue)
            out.write(deadline)
        case .resume: out.write(Kind.resume.rawValue)
        case .stop(let deadline):
            out.write(Kind.stop.rawValue)
            out.write(deadline)
        case .reopenLog: out.write(Kind.reopenLog.rawValue)
        }
        var framed = WireWriter()
        framed.write(out.bytes)
        return framed.bytes
    }

    /// - Parameter payload: A frame without its length.
    package init(payload: ArraySlice<UInt8>) throws(WireError) {
        var reader = WireReader(payload)
        guard let kind = Kind(rawValue: try reader.read()) else { throw .invalid("frame kind") }
        switch kind {
        case .hello: self = .hello(try reader.readHello())
        case .applied: self = .applied(revision: try reader.read(), digest: try reader.read())
        case .rejected: self = .rejected(revision: try reader.read(), message: try reader.readString())
        case .membershipApplied: self = .membershipApplied(version: try reader.read())
        case .report:
            let id: UInt64 = try reader.read()
            let samples = try reader.readList { (reader) throws(WireError) -> Sample in
                let name = try reader.readString()
                let labels = try reader.readList { (reader) throws(WireError) -> Sample.Label in
                    Sample.Label(try reader.readString(), try reader.readString())
                }
                return Sample(name, labels, try reader.readDouble())
            }
            self = .report(id: id, Report(samples: samples))
        case .drained: self = .drained
        case .votes: self = .votes(try reader.readVotes())
        case .snapshot: self = .snapshot(try reader.readBytes())
        case .membership: self = .membership(try reader.readMembership())
        case .reportRequest: self = .reportRequest(id: try reader.read())
        case .drain: self = .drain(deadline: try reader.readDuration())
        case .resume: self = .resume
        case .stop: self = .stop(deadline: try reader.readDuration())
        case .reopenLog: self = .reopenLog
        }
        try reader.finish()
    }
}

/// Cuts a byte stream into frames. Bytes in, frames out; holds at most one incomplete frame.
package struct FrameAssembler {
    private var pending: [UInt8] = []

    package init() {}

    package mutating func append(_ bytes: some Sequence<UInt8>) { pending.append(contentsOf: bytes) }

    /// - Returns: The next whole frame, or nil until more bytes arrive.
    /// - Throws: `WireError` when the stream is no frame stream; the connection must then be closed.
    package mutating func next() throws(WireError) -> Frame? {
        guard pending.count >= Frame.headerBytes else { return nil }
        var reader = WireReader(pending)
        let length = Int(try reader.read(UInt32.self))
        guard length >= 1, length <= Frame.bytesMax else { throw .invalid("frame length") }
        guard reader.remaining >= length else { return nil }
        let frame = try Frame(payload: pending[Frame.headerBytes..<Frame.headerBytes + length])
        pending.removeFirst(Frame.headerBytes + length)
        return frame
    }
}

extension WireWriter {
    mutating func write(_ hello: Hello) {
        write(hello.protocolVersion)
        write(hello.role.rawValue)
        write(hello.id)
        write(hello.pid)
        write(hello.workers)
        write(hello.reach != nil)
        if let reach = hello.reach { write(reach) }
        write(hello.revision)
        write(hello.digest)
        write(hello.draining)
        write(hello.uptimeSeconds)
        write(hello.votes)
    }

    mutating func write(_ reach: NodeReach) {
        switch reach {
        case .handOver(let prefix, let workers):
            write(UInt8(0))
            write(prefix)
            write(UInt16(workers))
        case .relay(let address):
            write(UInt8(1))
            write(address)
        }
    }

    package mutating func write(_ membership: Membership) {
        write(membership.version)
        write(list: membership.nodes) { out, node in
            out.write(node.id)
            out.write(node.reach)
            out.write(node.draining)
            out.write(UInt16(node.weight))
        }
        write(list: membership.endpoints) { out, endpoint in
            out.write(endpoint.pool)
            out.write(endpoint.address)
            out.write(endpoint.state.rawValue)
        }
        write(membership.ticketKeys?.bytes ?? [])
    }
}

extension WireReader {
    mutating func readHello() throws(WireError) -> Hello {
        let version: UInt16 = try read()
        guard version == Hello.currentProtocolVersion else { throw .invalid("protocol version \(version)") }
        return Hello(
            role: try readCase(), id: try readString(), pid: try read(), workers: try read(),
            reach: try readBool() ? try readReach() : nil, revision: try read(), digest: try read(),
            draining: try readBool(), uptimeSeconds: try read(), votes: try readVotes())
    }

    mutating func readReach() throws(WireError) -> NodeReach {
        switch try read(UInt8.self) {
        case 0: .handOver(prefix: try readString(), workers: Int(try read(UInt16.self)))
        case 1: .relay(try readIPEndpoint())
        default: throw .invalid("node reach")
        }
    }

    package mutating func readMembership() throws(WireError) -> Membership {
        var membership = Membership(
            version: try read(),
            nodes: try readList { (reader) throws(WireError) in
                NodeMember(
                    id: try reader.readString(), reach: try reader.readReach(), draining: try reader.readBool(),
                    weight: Int(try reader.read(UInt16.self)))
            },
            endpoints: try readList { (reader) throws(WireError) in
                EndpointMember(
                    pool: try reader.readString(), address: try reader.readSocketAddress(),
                    state: try reader.readCase())
            })
        let keys = try readBytes()
        membership.ticketKeys = TicketKeys(bytes: keys)
        guard keys.isEmpty || membership.ticketKeys != nil else { throw .invalid("ticket keys") }
        return membership
    }
}
