import EventLoop
import Foundation
import NodeLink
import SiteFile
import Snapshot
import Synchronization
import Testing

@testable import ControlPlane

@Suite("Names of endpoints", .timeLimit(.minutes(1)))
struct NameWatchTests {
    private static func addresses(_ hosts: [String]) -> [IPEndpoint] { hosts.map { IPEndpoint(host: $0, port: 0)! } }

    private func watch(_ hosts: [String]) -> NameWatch {
        var watch = NameWatch()
        watch.adopt(
            SiteNames(addresses: ["app.test": NameWatchTests.addresses(hosts)], intervals: ["app.test": .seconds(30)]))
        return watch
    }

    @Test("only the set of addresses counts, not their order")
    func order() {
        var watch = watch(["10.0.0.1", "10.0.0.2"])
        #expect(watch.answered("app.test", .success(NameWatchTests.addresses(["10.0.0.2", "10.0.0.1"]))) == .same)
        #expect(watch.names["app.test"]?.addresses == NameWatchTests.addresses(["10.0.0.1", "10.0.0.2"]))
        #expect(
            watch.answered("app.test", .success(NameWatchTests.addresses(["10.0.0.3", "10.0.0.2"]))) == .changed)
        #expect(watch.names["app.test"]?.addresses == NameWatchTests.addresses(["10.0.0.2", "10.0.0.3"]))
    }

    @Test("a failure keeps the addresses, and is told once")
    func failure() {
        var watch = watch(["10.0.0.1"])
        let error = ResolutionError(reason: "Temporary failure in name resolution")
        #expect(watch.answered("app.test", .failure(error)) == .failed(error.reason))
        #expect(watch.answered("app.test", .failure(error)) == .failedAgain)
        #expect(watch.answered("app.test", .failure(.init(reason: "other"))) == .failed("other"))
        #expect(watch.names["app.test"]?.addresses == NameWatchTests.addresses(["10.0.0.1"]))
        #expect(watch.names["app.test"]?.failures == 3)
        #expect(watch.answered("app.test", .success(NameWatchTests.addresses(["10.0.0.1"]))) == .recovered)
        #expect(watch.names["app.test"]?.failure == nil)
    }

    @Test("an answer for a name that has left the site is nothing")
    func left() {
        var watch = watch(["10.0.0.1"])
        watch.adopt(SiteNames())
        #expect(watch.answered("app.test", .success(NameWatchTests.addresses(["10.0.0.2"]))) == nil)
        #expect(watch.names.isEmpty)
    }

    // MARK: over fake nodes

    private static let site = """
        site: shop
        proxy: {nodes: 1}
        listeners:
          web: {address: "127.0.0.1:8080"}
        routes:
          - to: app
        pools:
          app: {endpoints: ["app.test:9001", "10.0.0.9:9001"], resolve: 100ms}

        """

    private func endpoints(_ bench: ControlBench, of node: String) -> [String] {
        for event in bench.nodes.events.reversed() where event.id == node {
            if case .received(.snapshot(let bytes)) = event.kind, let snapshot = try? Snapshot(encoded: bytes) {
                return snapshot.pools[0].endpoints.map(\.address.description)
            }
        }
        return []
    }

    @Test("changed addresses go to every node under the same revision, and are no revision")
    func changes() async throws {
        let resolver = SettableResolver(["app.test": ["10.0.0.1"]])
        let bench = try await ControlBench(resolver: resolver)
        _ = try await bench.start(NameWatchTests.site)
        let digest = bench.nodes.serving("proxy-1").digest
        resolver.set("app.test", ["10.0.0.2", "10.0.0.1"])
        for node in ["proxy-1", "forwarder"] {
            try await eventually("the addresses are followed") {
                endpoints(bench, of: node) == ["10.0.0.1:9001", "10.0.0.2:9001", "10.0.0.9:9001"]
            }
        }
        try await eventually("the addresses are followed") { bench.nodes.serving("proxy-1").digest != digest }
        #expect(bench.nodes.serving("proxy-1").revision == 1)
        #expect(try await bench.store.revisions(limit: 10).count == 1)
        #expect(try await bench.controller.status().names.map(\.addresses) == [["10.0.0.1", "10.0.0.2"]])
        // What is served is what a node that comes back is compared with.
        let published = await bench.controller.current?.digest
        try await eventually("the addresses are followed") { bench.nodes.serving("forwarder").digest == published }
    }

    @Test("a name that fails keeps its endpoints and is shown; the same addresses again are no change")
    func failing() async throws {
        let resolver = SettableResolver(["app.test": ["10.0.0.1", "10.0.0.2"]])
        let bench = try await ControlBench(resolver: resolver)
        _ = try await bench.start(NameWatchTests.site)
        resolver.set("app.test", nil)
        try await eventually("the addresses are followed") {
            try await bench.controller.status().names.first?.failure == "unknown"
        }
        #expect(await bench.controller.metrics().contains("sluice_name_resolves{name=\"app.test\"} 0"))
        resolver.set("app.test", ["10.0.0.2", "10.0.0.1"])
        try await eventually("the addresses are followed") {
            try await bench.controller.status().names.first?.failure == nil
        }
        let asked = resolver.count
        try await eventually("the addresses are followed") { resolver.count > asked + 2 }
        #expect(bench.nodes.snapshots(of: "proxy-1").count == 1, "nothing has changed for nodes")
        #expect(await bench.controller.metrics().contains("sluice_name_resolves{name=\"app.test\"} 1"))
    }

    @Test("a control plane that starts while names don't resolve serves the addresses of before")
    func restart() async throws {
        let resolver = SettableResolver(["app.test": ["10.0.0.1"]])
        let bench = try await ControlBench(resolver: resolver)
        _ = try await bench.start(NameWatchTests.site)
        resolver.set("app.test", ["10.0.0.7"])
        try await eventually("the addresses are followed") {
            endpoints(bench, of: "proxy-1") == ["10.0.0.7:9001", "10.0.0.9:9001"]
        }
        try await eventually("the addresses are followed") {
            try await bench.store.setting(.names) == "app.test 10.0.0.7"
        }
        await bench.kill()
        resolver.set("app.test", nil)
        let next = try await ControlBench(after: bench, resolver: resolver)
        _ = try await next.start(nil)
        #expect(
            await next.controller.current?.snapshot.pools[0].endpoints.map(\.address.description)
                == ["10.0.0.7:9001", "10.0.0.9:9001"])
    }

    @Test("a revision without the name ends its lookups")
    func removed() async throws {
        let resolver = SettableResolver(["app.test": ["10.0.0.1"]])
        let bench = try await ControlBench(resolver: resolver)
        _ = try await bench.start(NameWatchTests.site)
        _ = try await bench.apply(NameWatchTests.site.replacingOccurrences(of: "\"app.test:9001\", ", with: ""))
        #expect(try await bench.controller.status().names.isEmpty)
        #expect(await bench.controller.nameWatches.isEmpty)
    }
}

/// Says what a test told it.
private final class SettableResolver: EndpointResolver {
    private let known: Mutex<[String: [String]]>
    private let asked = Mutex(0)

    init(_ known: [String: [String]]) { self.known = Mutex(known) }

    var count: Int { asked.withLock { $0 } }

    func set(_ name: String, _ hosts: [String]?) { known.withLock { $0[name] = hosts } }

    func addresses(of name: String) throws(ResolutionError) -> [IPEndpoint] {
        asked.withLock { $0 += 1 }
        guard let hosts = known.withLock({ $0[name] }) else { throw ResolutionError(reason: "unknown") }
        return hosts.map { IPEndpoint(host: $0, port: 0)! }
    }
}
