import COpenSSL
import EventLoop
import Snapshot
import Testing

@testable import NodeAgent
@testable import TLS

@Suite("TLS session of a probed endpoint")
struct ProbeTargetTests {
    private let target = ProbeTarget(
        EndpointKey(pool: "api", address: SocketAddress("10.0.0.1:443")!),
        HealthCheck(probe: .http(path: "/", expect: [200...299])))

    /// The probes that it is for don't ask what is in it.
    private func session() -> TLSSession { TLSSession(SSL_SESSION_new()) }

    @Test("it is used until the endpoint's certificate is to be looked at again, and not at that moment")
    func end() {
        #expect(target.session(now: 0) == nil)
        target.keep(session(), endsAt: 1000)
        #expect(target.session(now: 999) != nil)
        #expect(target.session(now: 1000) == nil)
        #expect(target.session(now: 999) == nil, "it is gone for good")
    }

    @Test("a session that a resumed one brings doesn't put the look at the certificate off")
    func resumed() {
        target.keep(session(), endsAt: 1000)
        let next = session()
        target.keep(next, endsAt: nil)
        #expect(target.session(now: 999)?.handle == next.handle)
        #expect(target.session(now: 1000) == nil)
        target.keep(session(), endsAt: 2000)
        #expect(target.session(now: 1999) != nil)
    }

    @Test("a dropped session isn't used again")
    func dropped() {
        target.keep(session(), endsAt: 1000)
        target.dropSession()
        #expect(target.session(now: 1) == nil)
    }
}
