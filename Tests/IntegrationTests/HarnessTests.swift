import Foundation
import TestKit
import Testing

/// The tools that the other tests rely on, against peers whose behaviour is known: a count of failures that cannot count
/// one would prove nothing.
extension IntegrationTests {
    @Suite("The harness itself")
    struct HarnessTests {
        @Test("load on a healthy server has no failure")
        func healthyLoad() throws {
            try Lab.run { lab in
                let server = try lab.nginx("a")
                let load = lab.load(server.port, connections: 4, expecting: "a")
                try load.progress(by: 200)
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(report.completed == server.requestCount)
            }
        }

        @Test("load notices a server that is killed, and one that comes back")
        func killedServer() throws {
            try Lab.run { lab in
                let server = try lab.nginx("a")
                let load = lab.load(server.port, connections: 4)
                try load.progress(by: 100)
                server.kill()
                try Eventually.holds("a refused connect") {
                    load.report.failures.keys.contains { $0.contains("refused") }
                }
                try server.start()
                try load.progress(by: 100)
                #expect(try load.stop().failed > 0)
            }
        }

        @Test(
            "each kind of bad answer counts as a failure",
            arguments: [
                "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother",
                "HTTP/1.1 200",
                "",
            ])
        func badAnswers(answer: String) throws {
            try Lab.run { lab in
                let server = try lab.http("a") { _ in .raw(answer, closes: true) }
                let load = lab.load(server.port, connections: 1, expecting: "a")
                try Eventually.holds("a failure") { load.report.failed > 0 }
                #expect(try load.stop().completed == 0)
            }
        }

        @Test("a request that was taken and dropped is a failure, also on a used connection")
        func droppedRequest() throws {
            try Lab.run { lab in
                let server = try lab.scripted { connection in
                    let reader = HTTPReader(connection.socket)
                    _ = try reader.head()
                    try connection.socket.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
                    _ = try reader.head()
                }
                let load = lab.load(server.port, connections: 1)
                // What is under way when the load is stopped may end either way.
                try Eventually.holds("a failure") { load.report.failed > 0 }
                _ = try load.stop()
            }
        }

        @Test("a reset is told from an end, by client and endpoint")
        func reset() throws {
            try Lab.run { lab in
                let server = try lab.scripted { connection in
                    let first = try connection.receive()
                    if first == Array("reset".utf8) { return connection.socket.reset() }
                    _ = try connection.receive()
                }
                let client = try TCPSocket(connectingTo: server.port)
                try client.send("reset")
                let error = #expect(throws: SystemCallError.self) { try client.receive() }
                #expect(error?.errno == ECONNRESET)
                let resetting = try TCPSocket(connectingTo: server.port)
                try resetting.send("x")
                try Eventually.holds("the byte at the endpoint") { server.receivedText.contains("x") }
                resetting.reset()
                try Eventually.holds("a reset at the endpoint") { server.failures.contains { $0.contains("reset") } }
            }
        }

        @Test("a close between two requests is no failure")
        func closeBetweenRequests() throws {
            try Lab.run { lab in
                let server = try lab.http("a") { request in
                    .raw("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", closes: true)
                }
                let load = lab.load(server.port, connections: 2, expecting: "a")
                try load.progress(by: 50)
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(report.cleanCloses >= 50)
            }
        }

        @Test("wrk's report is read")
        func wrk() throws {
            try Lab.run { lab in
                let server = try lab.nginx("a")
                let result = try Wrk.start("http://\(server.address)/", connections: 4, seconds: 1).finish()
                #expect(result.requests > 100)
                #expect(result.otherStatuses == 0)
                server.failHealth()
                let unhealthy = try Wrk.start("http://\(server.address)/healthz", connections: 1, seconds: 1).finish()
                #expect(unhealthy.otherStatuses > 0)
            }
        }

        @Test("an endpoint's health can be taken away and given back")
        func health() throws {
            try Lab.run { lab in
                let server = try lab.nginx("a")
                let url = "http://\(server.address)/healthz"
                #expect(try Curl.get(url).status == 200)
                server.failHealth()
                #expect(try Curl.get(url).status == 503)
                try server.restoreHealth()
                #expect(try Curl.get(url).status == 200)
            }
        }

        @Test("a digest endpoint agrees with openssl", arguments: [true, false])
        func digest(chunked: Bool) throws {
            try Lab.run { lab in
                let sink = try lab.digest()
                let directory = try TemporaryDirectory()
                let file = try BigFile(mebibytes: 8, in: directory)
                let answer = try BigFile.upload(file, to: "http://\(sink.address)/", chunked: chunked)
                #expect(answer == file.digest)
            }
        }

        @Test("processor time and memory of a process can be read")
        func processStat() throws {
            try Lab.run { lab in
                let child = try ChildProcess(["sh", "-c", "while :; do :; done"])
                defer { child.signal(SIGKILL) }
                try Eventually.holds("two ticks of processor time") { try ProcessStat(child.pid).processorTicks >= 2 }
                let stat = try ProcessStat(child.pid)
                #expect(stat.processorTime >= .milliseconds(20))
                #expect(stat.threads == 1)
                #expect(stat.residentBytes > stat.privateDirtyBytes)
                #expect(stat.privateDirtyBytes > 0)
                #expect(ProcessStat.processes(with: ["-c", "while :; do :; done"]).map(\.pid) == [child.pid])
                child.signal(SIGKILL)
                #expect(try child.waitForExit(within: .seconds(5)) == .signalled(SIGKILL))
                #expect(!ProcessStat.isAlive(child.pid))
            }
        }

        @Test("hosts reach each other with their own addresses", .enabled(if: Network.obstacle == nil, needsNamespaces))
        func network() throws {
            try Lab.run { lab in
                let network = try lab.network(["client", "server"])
                let server = try lab.nginx("a", on: network["server"])
                #expect(try Curl.get("http://\(server.address)/", on: network["client"]).text == "a")
                #expect(server.accesses.map(\.peer) == [network["client"].address])
            }
        }
    }
}
