package import EventLoop

/// The host names that a compiled site file holds, and what they resolved to.
package struct SiteNames: Equatable, Sendable {
    /// Of every name; ports are 0.
    package var addresses: [String: [IPEndpoint]]
    /// Names of endpoints, and how often each is to be resolved again: the shortest `resolve` of the pools that use it.
    package var intervals: [String: Duration]

    package init(addresses: [String: [IPEndpoint]] = [:], intervals: [String: Duration] = [:]) {
        self.addresses = addresses
        self.intervals = intervals
    }
}

/// Answers from what is known already. A site is compiled again with it when one of its names has changed: the others,
/// those of listeners among them, stay as they are.
package struct RememberedNames: EndpointResolver {
    private let addresses: [String: [IPEndpoint]]
    private let fallback: (any EndpointResolver)?

    /// - Parameter fallback: Asked for names that are not known.
    package init(_ addresses: [String: [IPEndpoint]], fallback: (any EndpointResolver)? = nil) {
        self.addresses = addresses
        self.fallback = fallback
    }

    package func addresses(of name: String) throws(ResolutionError) -> [IPEndpoint] {
        if let known = addresses[name] { return known }
        guard let fallback else { throw ResolutionError(reason: "not resolved before") }
        return try fallback.addresses(of: name)
    }
}

/// Asks a resolver first; a name that it can't resolve keeps the addresses of before.
///
/// A control plane that starts while DNS is away serves what it served.
package struct ForgivingResolver: EndpointResolver {
    private let resolver: any EndpointResolver
    private let remembered: [String: [IPEndpoint]]

    package init(_ resolver: any EndpointResolver, remembered: [String: [IPEndpoint]]) {
        self.resolver = resolver
        self.remembered = remembered
    }

    package func addresses(of name: String) throws(ResolutionError) -> [IPEndpoint] {
        do throws(ResolutionError) { return try resolver.addresses(of: name) } catch {
            guard let known = remembered[name] else { throw error }
            return known
        }
    }
}
