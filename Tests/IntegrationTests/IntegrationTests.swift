import TestKit
import Testing

/// Real processes on loopback and in network namespaces, one after the other: each test has the machine to itself.
@Suite("Integration", .serialized)
enum IntegrationTests {}

/// Why a test with network namespaces is skipped.
let needsNamespaces = Comment(rawValue: Network.obstacle ?? "network namespaces")
