import EventLoop
import NIOPosix
import SiteFile

/// Threads for lookups, which block (`getaddrinfo(3)`): a resolver that hangs holds up other lookups at most.
final class LookupThreads: Sendable {
    /// A lookup under a dead resolver takes 10 s to 30 s (`resolv.conf(5)`: timeout, attempts, name servers).
    private static let count = 4
    private let threads = NIOThreadPool(numberOfThreads: count)

    init() { threads.start() }

    deinit { threads.shutdownGracefully { _ in } }

    func addresses(
        of name: String, by resolver: any EndpointResolver
    ) async -> Result<[IPEndpoint], ResolutionError> {
        do {
            return try await threads.runIfActive { () -> Result<[IPEndpoint], ResolutionError> in
                do throws(ResolutionError) {
                    return .success(try resolver.addresses(of: name))
                } catch {
                    return .failure(error)
                }
            }
        } catch {
            return .failure(ResolutionError(reason: "\(error)"))
        }
    }
}
