/// What a request must look like; everything stated must hold.
package struct RouteMatch: Equatable, Sendable {
    /// Any of these; empty means every host. Lower case, without a port.
    package var hosts: [HostPattern]
    /// nil means every path.
    package var path: PathPattern?
    /// Any of these, with case; empty means every method.
    package var methods: [String]
    /// All must hold. Names are in lower case; each condition is met by any line of its name.
    package var header: [ValueCondition]
    /// All must hold, of the parameter's first value; names and values are decoded.
    package var query: [ValueCondition]
    /// `alpn`: any of these is offered; empty means every offer. Of routes of `tls-passthrough` listeners only.
    package var protocols: [String]

    package init(
        hosts: [HostPattern] = [], path: PathPattern? = nil, methods: [String] = [], header: [ValueCondition] = [],
        query: [ValueCondition] = [], protocols: [String] = []
    ) {
        self.hosts = hosts
        self.path = path
        self.methods = methods
        self.header = header
        self.query = query
        self.protocols = protocols
    }
}

package enum HostPattern: Hashable, Sendable {
    case exact(String)
    /// `*.shop.example` as `shop.example`: one or more labels before it.
    case suffix(String)
}

package enum PathPattern: Hashable, Sendable {
    /// The whole path, without the query, byte for byte.
    case exact(String)
    /// The path begins with these bytes.
    case prefix(String)
    /// The whole path is of this pattern (see the module `Pattern`).
    case regex(String)
}

/// A condition on a header field or a query parameter.
package struct ValueCondition: Hashable, Sendable {
    package var name: String
    package var pattern: ValuePattern

    package init(_ name: String, _ pattern: ValuePattern) {
        self.name = name
        self.pattern = pattern
    }
}

package enum ValuePattern: Hashable, Sendable {
    /// The whole value, byte for byte.
    case exact(String)
    /// The value begins with these bytes.
    case prefix(String)
    /// The whole value is of this pattern.
    case regex(String)
    /// It is there, whatever its value.
    case present
    case absent
}

extension RouteMatch {
    /// Every regular expression in it, with repetitions.
    package var regexes: [String] {
        var found: [String] = []
        if case .regex(let text)? = path { found.append(text) }
        for condition in header + query {
            if case .regex(let text) = condition.pattern { found.append(text) }
        }
        return found
    }
}
