import Dispatch
import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// Many clients and endpoints that split, stall, reset and cut, against real processes. What is sent follows from the seed;
    /// when it arrives does not. `SLUICE_SIMULATION_SEED` runs one seed alone.
    @Suite("Simulation of misbehaving peers")
    struct SimulationTests {
        private static var seeds: [UInt64] {
            let given = ProcessInfo.processInfo.environment["SLUICE_SIMULATION_SEED"].flatMap { UInt64($0) }
            return given.map { [$0] } ?? Array(1...8)
        }

        @Test("each response is the one to its request, and nothing is left over")
        func eachSeed() throws {
            let faults = SimulationFaults()
            try Lab.run { lab in
                let endpoints = try ["a", "b"].map { name in
                    try lab.scripted(name) { try SimulatedEndpoint.serve($0, seed: 1, faults: faults) }
                }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: endpoints.map(\.address), nodes: 1, workers: 2))
                let pids = site.nodeProcesses
                for seed in Self.seeds {
                    run(seed, port, faults)
                    #expect(faults.all.isEmpty, "seed \(seed)")
                    try expectNothingLeft(site, seed)
                    if !faults.all.isEmpty { break }
                }
                #expect(site.nodeProcesses == pids, "a node was started again")
            }
        }

        private func run(_ seed: UInt64, _ port: UInt16, _ faults: SimulationFaults) {
            let group = DispatchGroup()
            for number in 0..<32 {
                group.enter()
                Thread.detachNewThread {
                    var client = SimulatedClient(port: port, seed: seed, number: number, faults: faults)
                    client.run(exchanges: 12)
                    group.leave()
                }
            }
            #expect(group.wait(timeout: .now() + 60) == .success, "seed \(seed): clients still wait")
        }

        /// Every connection, request and buffer has been given back.
        private func expectNothingLeft(_ site: Site, _ seed: UInt64) throws {
            try Eventually.holds("seed \(seed): nothing left over", every: .milliseconds(50)) {
                let metrics = try site.control.request("GET", "/metrics").text
                let left = ["sluice_node_connections", "sluice_endpoint_active", "sluice_node_buffers"].map { name in
                    metrics.split(separator: "\n").filter { $0.hasPrefix(name) }
                        .reduce(0) { $0 + ($1.split(separator: " ").last.flatMap { Double($0) } ?? 0) }
                }
                if left != [0, 0, 0] { throw TestKitError("connections, active requests, buffers: \(left)") }
                return true
            }
        }
    }
}
