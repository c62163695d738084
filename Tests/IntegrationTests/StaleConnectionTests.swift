import Foundation
import Synchronization
import TestKit
import Testing

extension IntegrationTests {
    /// Connections that the endpoint closes while they are idle, or about to be used.
    @Suite("Stale connections to endpoints")
    struct StaleConnectionTests {
        /// Answers what it reads, and closes each connection at a random moment between two requests; sometimes it closes
        /// after it has read a request, without an answer.
        private final class Closing: Sendable {
            let seen = Mutex<[String: Int]>([:])
            let unanswered = Mutex<Set<String>>([])

            func serve(_ connection: ScriptedConnection) throws {
                var random = SystemRandomNumberGenerator()
                let reader = HTTPReader(connection.socket)
                while true {
                    // The moment falls before, at and after that of the next request.
                    connection.socket.setTimeout(.milliseconds(Int.random(in: 1...12, using: &random)))
                    guard connection.socket.waitsForInput() else { return }
                    connection.socket.setTimeout(.seconds(10))
                    guard let head = try reader.head() else { return }
                    _ = try reader.body(.ofRequest(head))
                    seen.withLock { $0[head.target, default: 0] += 1 }
                    if Int.random(in: 0..<20, using: &random) == 0 {
                        _ = unanswered.withLock { $0.insert(head.target) }
                        return
                    }
                    try connection.socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                }
            }
        }

        @Test(
            "a POST is seen exactly once when it is answered, and never twice",
            arguments: ["", "connections: {max: 3}"])
        func postsAreNotDoubled(pool: String) throws {
            try Lab.run { lab in
                let closing = Closing()
                let app = try lab.scripted { try closing.serve($0) }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1, workers: 2, pool: pool))
                let answers = Mutex<[String: Int]>([:])
                let problems = Mutex<[String]>([])
                let group = DispatchGroup()
                for client in 0..<6 {
                    group.enter()
                    Thread.detachNewThread {
                        defer { group.leave() }
                        do {
                            let connection = try HTTPConnection(to: port)
                            for number in 0..<150 {
                                let target = "/\(client)-\(number)"
                                let response = try connection.exchange(
                                    "POST \(target) HTTP/1.1\r\nHost: test.example\r\nContent-Length: 4\r\n\r\nbody",
                                    method: "POST")
                                answers.withLock { $0[target] = response.status }
                                // So that connections are idle for a time that straddles the endpoint's.
                                usleep(UInt32.random(in: 0...9000))
                            }
                        } catch { problems.withLock { $0.append("\(error)") } }
                    }
                }
                #expect(group.wait(timeout: .now() + 60) == .success)
                #expect(problems.withLock { $0 } == [])
                let (seen, unanswered) = (closing.seen.withLock { $0 }, closing.unanswered.withLock { $0 })
                let statuses = answers.withLock { $0 }
                #expect(statuses.count == 900)
                for (target, status) in statuses {
                    switch status {
                    case 200: #expect(seen[target] == 1, "\(target)")
                    case 502: #expect(seen[target, default: 0] == (unanswered.contains(target) ? 1 : 0), "\(target)")
                    default: Issue.record("\(target): \(status)")
                    }
                }
                #expect(!unanswered.isEmpty)
                // What the endpoint didn't leave unanswered is lost only when its close crossed with the request.
                let lost = statuses.count { $0.value == 502 && !unanswered.contains($0.key) }
                #expect(lost < 90, "\(lost)")
            }
        }

        @Test("a GET is sent again on a fresh connection: none fails")
        func getsAreRepeated() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    let reader = HTTPReader(connection.socket)
                    while true {
                        connection.socket.setTimeout(.seconds(10))
                        guard let head = try reader.head() else { return }
                        _ = try reader.body(.ofRequest(head))
                        try connection.socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                        // Only idle ones are closed early: a fresh one that breaks is a failure of the endpoint.
                        connection.socket.setTimeout(.milliseconds(Int.random(in: 1...6)))
                        guard connection.socket.waitsForInput() else { return }
                    }
                }
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try HTTPConnection(to: port)
                for number in 0..<300 {
                    #expect(try client.request("/\(number)").status == 200)
                    usleep(UInt32.random(in: 0...6000))
                }
            }
        }

        @Test("a POST goes on a connection that was just used, but not on one that was idle for a second")
        func freshForPost() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                _ = try lab.site(SiteText.http(port, to: [app.address], nodes: 1))
                let client = try HTTPConnection(to: port)
                func post() throws {
                    let text = "POST / HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1\r\n\r\nx"
                    #expect(try client.exchange(text, method: "POST").status == 200)
                }
                #expect(try client.request("/").status == 200)
                try post()
                #expect(app.requests.map(\.connection) == [0, 0])
                // The time itself is what is tested.
                let start = ContinuousClock.now
                try Eventually.holds("1.1 s to pass") { ContinuousClock.now - start > .milliseconds(1100) }
                try post()
                #expect(app.requests.map(\.connection) == [0, 0, 1])
                #expect(try client.request("/").status == 200)
                #expect(app.requests.last?.connection == 1, "the one used last")
            }
        }
    }

    @Suite("A node without descriptors")
    struct DescriptorShortageTests {
        @Test("a connect that fails for want of a descriptor is 503, counted, and not held against the endpoint")
        func shortage() throws {
            try Lab.run { lab in
                let a = try lab.counting(), b = try lab.counting()
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [a.address, b.address], nodes: 1))
                let pid = try #require(site.nodeProcesses["proxy-1"])
                // A client's connection is there before the limit is, and every lower number is in use.
                let client = try HTTPConnection(to: port)
                try Eventually.holds("the client at the node") {
                    try site.control.node("proxy-1")?["connections"]?.integer == 1
                }
                let numbers = Set(
                    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").compactMap { Int($0) })
                let free = (0...).first { !numbers.contains($0) }!
                let former = try Command.succeed([
                    "prlimit", "--pid", "\(pid)", "--nofile", "--output", "HARD", "--noheadings",
                ])
                try Command.succeed(["prlimit", "--pid", "\(pid)", "--nofile=\(free):"])
                let refused = try client.request("/")
                #expect(refused.status == 503)
                try Command.succeed(
                    [
                        "prlimit", "--pid", "\(pid)",
                        "--nofile=\(former.trimmingCharacters(in: .whitespacesAndNewlines)):",
                    ])
                // Both endpoints in turn: neither is avoided.
                for _ in 0..<4 { #expect(try client.request("/").status == 200) }
                #expect(a.counts.targets.count == 2 && b.counts.targets.count == 2)
                for endpoint in [a, b] {
                    #expect(try site.control.endpoint("app", endpoint.address)?["failures"]?.integer == 0)
                }
                let metrics = try site.control.request("GET", "/metrics").text
                #expect(metrics.contains("sluice_connect_shortages_total{reason=\"descriptors\"} 1\n"))
            }
        }
    }
}
