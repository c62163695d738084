/// A rule from a request to a pool.
package struct Route: Equatable, Sendable {
    /// `name`, or `route-N` (from 1, by position) when the site file gives none; its identity across revisions.
    package var name: String
    /// Indices into `Snapshot.listeners` of the `http` listeners that it serves; never empty.
    package var listeners: [Int]
    package var match: RouteMatch
    package var request: HeaderRules
    package var response: HeaderRules
    /// `to`: at least one.
    package var targets: [WeightedPool]
    /// `timeout.connect`: to an endpoint.
    package var connectTimeout: Duration
    /// `timeout.response`: from the end of the request to the head of the response; then 504.
    package var responseTimeout: Duration

    package init(
        name: String, listeners: [Int], match: RouteMatch = .init(), request: HeaderRules = .init(),
        response: HeaderRules = .init(), targets: [WeightedPool], connectTimeout: Duration = .seconds(2),
        responseTimeout: Duration = .seconds(30)
    ) {
        self.name = name
        self.listeners = listeners
        self.match = match
        self.request = request
        self.response = response
        self.targets = targets
        self.connectTimeout = connectTimeout
        self.responseTimeout = responseTimeout
    }
}

/// A pool and its share of a route's requests.
package struct WeightedPool: Equatable, Sendable {
    /// Index into `Snapshot.pools`.
    package var pool: Int
    /// 1…65,535.
    package var weight: Int

    package init(pool: Int, weight: Int = 1) {
        self.pool = pool
        self.weight = weight
    }
}

/// Changes to the fields of a message: `remove` first, then `set`, then `add`.
package struct HeaderRules: Equatable, Sendable {
    /// Replaces every line of that name by one.
    package var set: [HeaderRule]
    /// Appends a line.
    package var add: [HeaderRule]
    /// Field names in lower case.
    package var remove: [String]

    package init(set: [HeaderRule] = [], add: [HeaderRule] = [], remove: [String] = []) {
        self.set = set
        self.add = add
        self.remove = remove
    }

    package var isEmpty: Bool { self.set.isEmpty && add.isEmpty && remove.isEmpty }
}

package struct HeaderRule: Equatable, Sendable {
    /// As written in the site file: that is how it is sent.
    package var name: String
    package var value: [ValuePart]

    package init(name: String, value: [ValuePart]) {
        self.name = name
        self.value = value
    }
}

/// A piece of a field value in a rule.
package enum ValuePart: Equatable, Sendable {
    case literal(String)
    case variable(Variable)
}

/// `{name}` in a rule's value.
package enum Variable: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    /// `{client_ip}`: the client's address without its port.
    case clientIP = 0
    /// `{host}`: the request's `Host`, as sent.
    case host = 1
    /// `{request_id}`: the request's `X-Request-Id`.
    case requestID = 2

    /// The word between the braces.
    package var name: String {
        switch self {
        case .clientIP: "client_ip"
        case .host: "host"
        case .requestID: "request_id"
        }
    }
}
