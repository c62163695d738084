import EventLoop
import SiteFile

/// What the names of a site's endpoints resolve to, and how their lookups went. Pure: answers in, addresses out.
struct NameWatch: Sendable {
    struct Name: Equatable, Sendable {
        /// Of the last lookup that gave any; ports are 0.
        var addresses: [IPEndpoint]
        /// Why the last lookup gave none; nil when it did.
        var failure: String?
        var failures: UInt64 = 0
    }

    /// What a lookup's answer means.
    enum Outcome: Equatable {
        case same
        case changed
        /// The first failure in a row, or one of another kind: worth a log line.
        case failed(String)
        case failedAgain
        /// The first answer after failures, with the addresses of before.
        case recovered
    }

    private(set) var names: [String: Name] = [:]

    /// Watches the names of a newly compiled site. What was counted of a name goes on; its addresses are those of the compile.
    mutating func adopt(_ site: SiteNames) {
        var adopted: [String: Name] = [:]
        for name in site.intervals.keys {
            adopted[name] = names[name] ?? Name(addresses: [])
            adopted[name]?.addresses = site.addresses[name] ?? []
        }
        names = adopted
    }

    /// A lookup has ended.
    ///
    /// - Returns: nil for a name that isn't watched any more.
    mutating func answered(_ name: String, _ answer: Result<[IPEndpoint], ResolutionError>) -> Outcome? {
        guard var known = names[name] else { return nil }
        defer { names[name] = known }
        switch answer {
        case .success(let addresses):
            let hadFailed = known.failure != nil
            known.failure = nil
            // Resolvers turn the order with each answer: only the set counts.
            guard Set(addresses) != Set(known.addresses) else { return hadFailed ? .recovered : .same }
            known.addresses = NameWatch.merged(known.addresses, addresses)
            return .changed
        case .failure(let error):
            let isNew = known.failure != error.reason
            known.failure = error.reason
            known.failures += 1
            return isNew ? .failed(error.reason) : .failedAgain
        }
    }

    /// Addresses that stay keep their order, new ones follow.
    static func merged(_ before: [IPEndpoint], _ now: [IPEndpoint]) -> [IPEndpoint] {
        before.filter(now.contains) + now.filter { !before.contains($0) }
    }
}
