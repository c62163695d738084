import TestKit
import Testing

extension IntegrationTests {
    /// What RFC 9110 and 9112 say of bytes, through real processes: what the client gets and, byte for byte, what the
    /// endpoint receives.
    @Suite("Conformance", .conformanceSite)
    struct ConformanceTests {}
}

typealias ConformanceTests = IntegrationTests.ConformanceTests
