package import EventLoop
import Glibc

/// Turns a host name into addresses: when a revision is compiled, and again while it is served.
package protocol EndpointResolver: Sendable {
    /// - Returns: At least one address; ports are 0.
    func addresses(of name: String) throws(ResolutionError) -> [IPEndpoint]
}

/// Why a name has no address, in the resolver's words: `Name or service not known`.
package struct ResolutionError: Error, Hashable {
    package let reason: String

    package init(reason: String) { self.reason = reason }
}

/// What this host says (`/etc/hosts`, DNS, …): `getaddrinfo(3)`. Blocks for as long as that does.
package struct SystemResolver: EndpointResolver {
    package init() {}

    package func addresses(of name: String) throws(ResolutionError) -> [IPEndpoint] {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var first: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(name, nil, &hints, &first)
        guard status == 0, let first else { throw ResolutionError(reason: String(cString: gai_strerror(status))) }
        defer { freeaddrinfo(first) }
        var found: [IPEndpoint] = []
        var next: UnsafeMutablePointer<addrinfo>? = first
        while let info = next?.pointee {
            if let address = endpoint(of: info), !found.contains(address) { found.append(address) }
            next = info.ai_next
        }
        guard !found.isEmpty else { throw ResolutionError(reason: "no IPv4 or IPv6 address") }
        return found
    }

    private func endpoint(of info: addrinfo) -> IPEndpoint? {
        guard let address = info.ai_addr else { return nil }
        switch info.ai_family {
        case AF_INET:
            return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                IPEndpoint(v4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr), port: 0)
            }
        case AF_INET6:
            return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                IPEndpoint($0.pointee.sin6_addr, port: 0)
            }
        default: return nil
        }
    }
}

/// Asks the resolver once for each name in a file.
final class NameCache {
    private let resolver: any EndpointResolver
    private(set) var known: [String: Result<[IPEndpoint], ResolutionError>] = [:]

    init(_ resolver: any EndpointResolver) { self.resolver = resolver }

    /// - Returns: nil after an error was reported at the place of the name.
    func addresses(
        of name: String, port: UInt16, at mark: YAMLNode.Mark, _ diagnostics: DiagnosticList
    ) -> [IPEndpoint]? {
        let result: Result<[IPEndpoint], ResolutionError>
        if let answered = known[name] {
            result = answered
        } else {
            do throws(ResolutionError) {
                result = .success(try resolver.addresses(of: name))
            } catch {
                result = .failure(error)
            }
            known[name] = result
        }
        switch result {
        case .success(let addresses):
            return addresses.map { address in
                var address = address
                address.port = port
                return address
            }
        case .failure(let error):
            diagnostics.error(
                mark, "the name \(name.quoted) does not resolve: \(error.reason)",
                hint: "check the spelling and this host's resolver, or write an IP address")
            return nil
        }
    }
}
