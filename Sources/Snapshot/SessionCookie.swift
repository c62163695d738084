/// `hash.by`: what of a request decides on its endpoint, with `balance: hash`.
package enum HashKey: Equatable, Sendable {
    /// The client's address, without the port.
    case clientIP
    /// The first line of that field; the name in lower case.
    case header(String)
    case cookie(String)
    /// As received, without the query.
    case path
    /// The whole query, or one parameter of it; as received.
    case query(String?)
}

/// `sticky`: a cookie that keeps a client at its endpoint.
package struct SessionCookie: Equatable, Sendable {
    /// Its name, a token (RFC 6265 §4.1.1).
    package var name: String
    /// How long clients keep it; nil: until they end.
    package var lifetime: Duration?
    /// Clients send it over TLS only.
    package var isSecure: Bool
    /// What its values are made with, besides the endpoint; nil: the names of site and pool.
    package var key: String?

    package init(name: String, lifetime: Duration? = nil, isSecure: Bool = false, key: String? = nil) {
        self.name = name
        self.lifetime = lifetime
        self.isSecure = isSecure
        self.key = key
    }
}
