/// What the API answers. Names in JSON are these in snake case; they are part of the contract.

package struct StatusDocument: Codable, Equatable, Sendable {
    package struct Nodes: Codable, Equatable, Sendable {
        package var up: Int
        package var total: Int
    }
    package struct Control: Codable, Equatable, Sendable {
        package var pid: Int32
    }
    package var site: String
    package var revision: UInt64
    package var digest: String
    package var uptimeSeconds: Int64
    package var version: String
    package var nodes: Nodes
    package var control: Control
    /// Names among the endpoints.
    package var names: [NameDocument]
    /// Certificates of https listeners.
    package var certificates: [CertificateDocument]
}

package struct CertificateDocument: Codable, Equatable, Sendable {
    package var listener: String
    /// `chain` as the site file writes it.
    package var certificate: String
    /// Unix time.
    package var expires: Int64
    /// What is stapled, where the response is fetched; absent otherwise.
    package var ocsp: OCSPDocument?
}

package struct OCSPDocument: Codable, Equatable, Sendable {
    /// `good`: a response is stapled. `revoked`: the responder says so, and nothing is stapled. `none`: there is no response.
    package var status: String
    /// When the stapled response is over, Unix time; absent when nothing is stapled.
    package var nextUpdate: Int64?
    /// Why the last try to fetch one gave nothing; absent when it did.
    package var failure: String?
}

package struct NameDocument: Codable, Equatable, Sendable {
    package var name: String
    /// What it last resolved to.
    package var addresses: [String]
    /// Why the last lookup gave nothing; absent when it did.
    package var failure: String?
}

package struct NodesDocument: Codable, Equatable, Sendable {
    package var nodes: [NodeDocument]
    /// Nodes that were asked for their figures and did not answer in time.
    package var unanswered: [String]
}

package struct NodeDocument: Codable, Equatable, Sendable {
    package var id: String
    package var role: String
    /// `starting`, `up`, `draining` or `down`.
    package var state: String
    package var pid: Int32?
    /// What it serves; 0 before its first snapshot.
    package var revision: UInt64
    package var local: Bool
    /// Where a forwarder relays to; null for a node that takes sockets by hand-over.
    package var address: String?
    /// Null when the node did not say.
    package var connections: Int?
    package var requests: Int?
    package var restarts: Int
    package var uptimeSeconds: Int64

    /// As synthesized, but nil is written as null: every node has the same fields.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(role, forKey: .role)
        try container.encode(state, forKey: .state)
        try container.encode(pid, forKey: .pid)
        try container.encode(revision, forKey: .revision)
        try container.encode(local, forKey: .local)
        try container.encode(address, forKey: .address)
        try container.encode(connections, forKey: .connections)
        try container.encode(requests, forKey: .requests)
        try container.encode(restarts, forKey: .restarts)
        try container.encode(uptimeSeconds, forKey: .uptimeSeconds)
    }
}

package struct PoolsDocument: Codable, Equatable, Sendable {
    package struct Pool: Codable, Equatable, Sendable {
        package var name: String
        package var balance: String
        /// Requests that wait for a connection; 0 where `connections.max` is not set.
        package var queued: Int
        /// So few endpoints are up that requests are spread over all of them: `panic`.
        package var panic: Bool
        package var endpoints: [Endpoint]
    }
    package struct Endpoint: Codable, Equatable, Sendable {
        package var address: String
        package var weight: Int
        /// `up`, `draining`, `ejected`, `down` or `unknown`.
        package var state: String
        /// Why, unless it is `up` or `unknown`.
        package var reason: String?
        /// When the state began, or the control plane's start: RFC 3339, UTC.
        package var since: String
        /// Of the nodes that probe it.
        package var votes: EventDocument.Votes
        /// Nodes that eject it.
        package var ejectedBy: [String]
        package var requests: Int
        /// `failures`, and requests answered with 5xx.
        package var errors: Int
        /// Since the start of the nodes that run.
        package var ejections: Int
        package var latencyMs: Latency
        package var active: Int
        package var failures: Int
        /// Open connections, those in use and idle ones.
        package var connections: Int
    }
    /// From the start of a request's attempt to the head of the endpoint's answer, in the last one to two minutes; null
    /// without requests. Milliseconds, 13 % too much or too little at most.
    package struct Latency: Codable, Equatable, Sendable {
        package var p50: Double?
        package var p90: Double?
        package var p99: Double?

        /// As synthesized, but nil is written as null.
        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(p50, forKey: .p50)
            try container.encode(p90, forKey: .p90)
            try container.encode(p99, forKey: .p99)
        }
    }
    package var pools: [Pool]
    package var unanswered: [String]
}

package struct ListenersDocument: Codable, Equatable, Sendable {
    package struct Listener: Codable, Equatable, Sendable {
        package var name: String
        package var `protocol`: String
        package var addresses: [String]
        package var connections: Int
        package var accepted: Int
    }
    package var listeners: [Listener]
    package var unanswered: [String]
}

package struct RoutesDocument: Codable, Equatable, Sendable {
    package struct Route: Codable, Equatable, Sendable {
        package var name: String
        package var listeners: [String]
        package var match: Match
        /// Empty for a route that answers itself.
        package var to: [Target]
        /// `redirect` or `respond`; absent for a route to pools.
        package var answer: Answer?
        /// `terminate` or `forward`; absent where CONNECT is refused.
        package var connect: String?
        package var mirror: Mirror?
        package var requests: Int
    }
    package struct Mirror: Codable, Equatable, Sendable {
        package var pool: String
        /// In percent.
        package var share: Double
    }
    package struct Answer: Codable, Equatable, Sendable {
        package var status: Int
        /// Of a redirect, as the site file has it.
        package var location: String?
    }
    package struct Target: Codable, Equatable, Sendable {
        package var pool: String
        package var weight: Int
    }
    package var routes: [Route]
    package var unanswered: [String]
}

package struct RevisionDocument: Codable, Equatable, Sendable {
    package var revision: UInt64
    package var digest: String
    package var warnings: [DiagnosticDocument]
    /// True when nothing was changed.
    package var dryRun: Bool
}

package struct RevisionsDocument: Codable, Equatable, Sendable {
    package struct Author: Codable, Equatable, Sendable {
        package var uid: UInt32
        package var pid: Int32
    }
    package struct Entry: Codable, Equatable, Sendable {
        package var revision: UInt64
        package var digest: String
        package var file: String
        /// RFC 3339, UTC.
        package var time: String
        package var author: Author?
        package var comment: String?
    }
    /// The newest first.
    package var revisions: [Entry]
}

package struct DiagnosticDocument: Codable, Equatable, Sendable {
    package var severity: String
    package var file: String
    package var line: Int
    package var column: Int
    package var message: String
    package var hint: String?
}

package struct DrainDocument: Codable, Equatable, Sendable {
    /// A node's id, or `pool/address`.
    package var name: String
    /// `draining` or `resumed`.
    package var state: String
}

package struct ScaleDocument: Codable, Equatable, Sendable {
    package var proxies: Int

    package init(proxies: Int) { self.proxies = proxies }
}

package struct ErrorDocument: Codable, Equatable, Sendable {
    package struct Failure: Codable, Equatable, Sendable {
        package var message: String
        package var diagnostics: [DiagnosticDocument]
    }
    package var error: Failure
}

extension ErrorDocument {
    /// For what came without a body of ours.
    package init(message: String) { self.init(error: .init(message: message, diagnostics: [])) }
}
