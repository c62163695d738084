package import EventLoop
import Snapshot

/// What one node knows of one endpoint. The control plane adds the votes up.
package struct EndpointVote: Equatable, Sendable {
    /// What its probes say.
    package enum Verdict: UInt8, Sendable, CaseIterable {
        /// It doesn't probe the endpoint, or no probe has had a result yet.
        case unknown = 0
        case up = 1
        case down = 2
    }
    package var pool: String
    package var address: SocketAddress
    package var verdict: Verdict
    /// Why it was ejected for what it did to requests; nil: it isn't.
    package var ejection: String?
    /// Of the last failed probe while `verdict` is `down`; else empty.
    package var reason: String

    package init(
        pool: String, address: SocketAddress, verdict: Verdict, ejection: String? = nil, reason: String = ""
    ) {
        self.pool = pool
        self.address = address
        self.verdict = verdict
        self.ejection = ejection
        self.reason = reason
    }
}

extension WireWriter {
    mutating func write(_ votes: [EndpointVote]) {
        write(list: votes) { out, vote in
            out.write(vote.pool)
            out.write(vote.address)
            out.write(vote.verdict.rawValue)
            out.write(vote.ejection != nil)
            if let ejection = vote.ejection { out.write(ejection) }
            out.write(vote.reason)
        }
    }
}

extension WireReader {
    mutating func readVotes() throws(WireError) -> [EndpointVote] {
        try readList { (reader) throws(WireError) in
            EndpointVote(
                pool: try reader.readString(), address: try reader.readSocketAddress(), verdict: try reader.readCase(),
                ejection: try reader.readBool() ? try reader.readString() : nil, reason: try reader.readString())
        }
    }
}
