import Snapshot

/// What `POST /v1/explain` is asked: a request as a client would send it.
package struct ExplainDocument: Codable, Equatable, Sendable {
    package struct Field: Codable, Equatable, Sendable {
        package var name: String
        package var value: String

        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }
    package var method: String
    /// `http://host[:port]/path?query`, a path, `host:port` of CONNECT, or `*`.
    package var url: String
    package var headers: [Field]?
    /// A listener's name; absent: the one whose port is the URL's, or the only one.
    package var listener: String?
    /// The client's address; absent: `127.0.0.1`.
    package var client: String?
    /// What the client offers by ALPN to a `tls-passthrough` listener; absent: `h2` and `http/1.1`.
    package var alpn: [String]?

    package init(
        method: String, url: String, headers: [Field]? = nil, listener: String? = nil, client: String? = nil,
        alpn: [String]? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.listener = listener
        self.client = client
        self.alpn = alpn
    }
}

/// What such a request would meet.
package struct ExplanationDocument: Codable, Equatable, Sendable {
    package struct Answer: Codable, Equatable, Sendable {
        package var status: Int
        /// Why the request is refused, in the words of `sluice_malformed_messages_total`; absent for an answer of a rule.
        package var reason: String?
        package var location: String?
    }
    package struct Pool: Codable, Equatable, Sendable {
        package var name: String
        package var balance: String
        /// Of the route's requests, in percent.
        package var share: Double
        package var endpoints: [Endpoint]
    }
    package struct Endpoint: Codable, Equatable, Sendable {
        package var address: String
        package var weight: Int
        package var state: String
        /// Whether the request may go there: one that is up, or of unknown state.
        package var eligible: Bool
    }
    package struct Mirror: Codable, Equatable, Sendable {
        package var pool: String
        package var share: Double
    }
    package struct PassedOver: Codable, Equatable, Sendable {
        package var route: String
        /// Parts of its `match`, or `listener`, that don't hold.
        package var reasons: [String]
    }
    /// What the endpoint gets.
    package struct Forwarded: Codable, Equatable, Sendable {
        package var requestLine: String
        package var headers: [ExplainDocument.Field]
    }
    package var revision: UInt64
    package var listener: String
    /// Absent when none is asked, or none matches; of a `tls-passthrough` listener also when its own `to` does.
    package var route: String?
    /// What the proxy answers itself; absent when the request goes to a pool.
    package var answer: Answer?
    package var pools: [Pool]
    package var mirror: Mirror?
    package var forwarded: Forwarded?
    /// Routes that come before, in their order; at most 100.
    package var passedOver: [PassedOver]
    /// Routes that were passed over and aren't listed.
    package var passedOverMore: Int
    /// What a `tls-passthrough` listener tells a client that it has no pool for; else absent.
    package var alert: String?
}
