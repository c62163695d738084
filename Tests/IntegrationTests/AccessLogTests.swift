import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("The access log")
    struct AccessLogTests {
        /// Lines of the file so far, complete ones only.
        private static func lines(_ path: String) throws -> [String] {
            let text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
            let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            return lines.dropLast()
        }

        /// Waits for so many lines, each a JSON object.
        private static func objects(_ path: String, _ count: Int) throws -> [JSON] {
            try Eventually.holds("\(count) lines in \(path)") { try lines(path).count >= count }
            let found = try lines(path)
            #expect(found.count == count, "\(found)")
            return try found.map { try JSON.parse(Data($0.utf8)) }
        }

        private static func metric(_ site: Site, _ name: String) throws -> Double {
            let text = try site.control.request("GET", "/metrics").text
            return text.split(separator: "\n").filter { $0.hasPrefix(name) }
                .reduce(0) { $0 + (Double($1.split(separator: " ").last ?? "") ?? 0) }
        }

        private static func number(_ value: JSON?) -> Double? {
            if case .number(let number)? = value { number } else { nil }
        }

        @Test("a served request has one JSON line with what both sides saw")
        func served() throws {
            try Lab.run { lab in
                let app = try lab.http { _ in .response("0123456789") }
                let port = try Ports.unused()
                let folder = try TemporaryDirectory()
                let file = folder.file("access.log")
                _ = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, top: "access_log: {to: \(file)}"))
                let began = Date()
                let client = try HTTPConnection(to: port)
                let first = try client.request(
                    "/shop/cart?id=7&x=%20",
                    fields: ["User-Agent: probe \"1\"", "Referer: http://a/\u{e9}", "X-Forwarded-For: 198.51.100.9"])
                let post =
                    "POST /up HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1000\r\n\r\n"
                    + String(repeating: "b", count: 1000)
                let second = try client.exchange(post, method: "POST")
                let chunked = "PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                _ = try client.exchange(chunked, method: "PUT")
                let lines = try Self.objects(file, 3)
                let line = lines[0]
                #expect(line["client_ip"]?.text == "127.0.0.1")
                #expect(line["listener"]?.text == "web")
                #expect(line["route"]?.text == "main")
                #expect(line["pool"]?.text == "app")
                #expect(line["endpoint"]?.text == app.address)
                #expect(line["method"]?.text == "GET")
                #expect(line["host"]?.text == "test.example")
                #expect(line["path"]?.text == "/shop/cart")
                #expect(line["query"]?.text == "id=7&x=%20")
                #expect(line["version"]?.text == "HTTP/1.1")
                #expect(line["status"]?.integer == 200)
                #expect(line["attempts"]?.integer == 1)
                #expect(line["termination"]?.text == "done")
                #expect(line["user_agent"]?.text == "probe \"1\"")
                #expect(line["referer"]?.text == "http://a/\u{e9}")
                #expect(line["x_forwarded_for"]?.text == "198.51.100.9")
                #expect(line["request_id"]?.text == app.requests[0].head["X-Request-Id"])
                // The answer as the client got it: head, empty line, ten bytes.
                #expect(line["bytes_out"]?.integer == first.head.raw.utf8.count + 10)
                let sent =
                    "GET /shop/cart?id=7&x=%20 HTTP/1.1\r\nHost: test.example\r\nUser-Agent: probe \"1\"\r\n"
                    + "Referer: http://a/\u{e9}\r\nX-Forwarded-For: 198.51.100.9\r\n\r\n"
                #expect(line["bytes_in"]?.integer == sent.utf8.count)
                let times = ["connect_time", "ttfb", "duration"].map { Self.number(line[$0]) ?? -1 }
                #expect(times[0] >= 0 && times[0] <= times[1] && times[1] <= times[2] && times[2] < 10)
                let format = ISO8601DateFormatter()
                format.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
                let time = try #require(format.date(from: line["time"]?.text ?? ""))
                #expect(abs(time.timeIntervalSince(began)) < 10)

                #expect(second.status == 200)
                #expect(lines[1]["method"]?.text == "POST")
                #expect(lines[1]["query"] == .null)
                #expect(lines[1]["user_agent"] == .null)
                #expect(lines[1]["bytes_in"]?.integer == post.utf8.count)
                #expect(lines[1]["connect_time"] == .null, "the connection of the first request was used")
                #expect(lines[1]["client_port"]?.integer == line["client_port"]?.integer)
                #expect(lines[2]["bytes_in"]?.integer == chunked.utf8.count)
            }
        }

        @Test("requests that no endpoint saw have a line, too, with the reason")
        func refused() throws {
            try Lab.run { lab in
                let port = try Ports.unused(), dead = try Ports.unused()
                let folder = try TemporaryDirectory()
                let file = folder.file("access.log")
                _ = try lab.site(
                    SiteText.http(
                        port, to: ["127.0.0.1:\(dead)"], nodes: 1, route: "match: {host: test.example}",
                        top: "limits: {head: 1KiB, timeout: {head: 200ms}}\n"
                            + "access_log: {to: \(file), fields: [status, termination, method, path, route, pool, request, attempts]}"
                    ))
                let cases: [(send: String, line: String)] = [
                    (
                        "GET /a HTTP/1.1\r\nHost: test.example\r\n\r\n",
                        #"{"status":502,"termination":"connect_failed","method":"GET","path":"/a","route":"main","pool":"app","request":"GET /a HTTP/1.1","attempts":"#
                    ),
                    (
                        "GET /b HTTP/1.1\r\nHost: other.example\r\n\r\n",
                        #"{"status":404,"termination":"refused","method":"GET","path":"/b","route":null,"pool":null,"request":"GET /b HTTP/1.1","attempts":0}"#
                    ),
                    (
                        "GET /c?d HTTP/1.1\r\nHost : bad\r\n\r\n",
                        #"{"status":400,"termination":"refused","method":"GET","path":"/c","route":null,"pool":null,"request":"GET /c?d HTTP/1.1","attempts":0}"#
                    ),
                    (
                        "\u{16}\u{3}\u{1}\r\n\r\n",
                        #"{"status":400,"termination":"refused","method":null,"path":null,"route":null,"pool":null,"request":"\u0016\u0003\u0001","attempts":0}"#
                    ),
                    (
                        "GET /e HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 1100))\r\n\r\n",
                        #"{"status":431,"termination":"refused","method":"GET","path":"/e","route":null,"pool":null,"request":"GET /e HTTP/1.1","attempts":0}"#
                    ),
                    (
                        "GET /f HTTP/1.1\r\nHost: a\r\n",
                        #"{"status":408,"termination":"client_timeout","method":"GET","path":"/f","route":null,"pool":null,"request":"GET /f HTTP/1.1","attempts":0}"#
                    ),
                ]
                for (index, exchange) in cases.enumerated() {
                    _ = try HTTPConnection(to: port).exchange(exchange.send)
                    try Eventually.holds("line \(index + 1)") { try Self.lines(file).count == index + 1 }
                    let line = try Self.lines(file)[index]
                    #expect(line.hasPrefix(exchange.line), "\(line)")
                }
            }
        }

        @Test("a request that was cut short says by whom")
        func cutShort() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    guard let head = try HTTPReader(connection.socket, observe: connection.note).head() else { return }
                    switch head.target {
                    case "/reset": return
                    case "/half": try connection.socket.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
                    case "/noise": try connection.socket.send("noise\r\n\r\n")
                    default: _ = try connection.socket.receive()
                    }
                }
                let port = try Ports.unused()
                let folder = try TemporaryDirectory()
                let file = folder.file("access.log")
                _ = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, route: "timeout: {response: 200ms}",
                        top: "access_log: {to: \(file), fields: [path, status, termination, attempts]}"))
                for target in ["/reset", "/half", "/noise", "/slow"] {
                    _ = try? HTTPConnection(to: port).request("POST", target, fields: ["Content-Length: 0"])
                }
                let leaving = try HTTPConnection(to: port)
                try leaving.socket.send("GET /leave HTTP/1.1\r\nHost: a\r\n\r\n")
                try Eventually.holds("the request at the endpoint") { app.receivedText.contains("/leave") }
                leaving.socket.reset()
                let lines = try Self.objects(file, 5)
                #expect(lines.map { $0["path"]?.text } == ["/reset", "/half", "/noise", "/slow", "/leave"])
                #expect(
                    lines.map { $0["termination"]?.text } == [
                        "endpoint_reset", "endpoint_reset", "endpoint_malformed", "endpoint_timeout", "client_gone",
                    ])
                #expect(lines.map { $0["status"]?.integer } == [502, 200, 502, 504, 499])
            }
        }

        @Test("routes that answer, error pages, queues, tunnels and trusted proxies: each line says what happened")
        func withRules() throws {
            try Lab.run { lab in
                let app = try lab.scripted { connection in
                    guard let head = try HTTPReader(connection.socket, observe: connection.note).head() else { return }
                    if head.target == "/tunnel" {
                        try connection.socket.send(
                            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhi")
                    }
                    _ = try connection.socket.receive()
                }
                let port = try Ports.unused()
                let folder = try TemporaryDirectory()
                let file = folder.file("access.log")
                _ = try lab.site(
                    """
                    proxy: {nodes: 1}
                    trust: {proxies: [127.0.0.1/32]}
                    limits: {timeout: {tunnel: 100ms}}
                    access_log: {to: \(file), fields: [path, status, termination, route, pool, client_ip, client_port, bytes_out, request_id]}
                    errors: {404: {body: "nothing here\\n"}}
                    listeners:
                      web: {address: "127.0.0.1:\(port)"}
                    routes:
                      - {name: off, match: {path: /off}, respond: {status: 503, body: closed}}
                      - {name: move, match: {path: /move}, redirect: {to: /new}}
                      - {name: full, match: {path: {prefix: /full}}, to: full}
                      - {name: late, match: {path: /late}, to: app, timeout: {request: 200ms}}
                      - {name: tunnel, match: {path: /tunnel}, to: app}
                      - {name: other, match: {path: /other}, to: other}
                    pools:
                      other: {endpoints: ["127.0.0.1:1"]}
                      app: {endpoints: ["\(app.address)"]}
                      full: {endpoints: ["\(app.address)"], connections: {max: 1, queue: 1, queue_timeout: 200ms}}
                    """)
                let from = ["X-Forwarded-For: 203.0.113.7", "X-Request-Id: given-1"]
                var answers: [HTTPResponse] = []
                for target in ["/off", "/move", "/nowhere", "/late"] {
                    answers.append(try HTTPConnection(to: port).request(target, fields: from))
                }
                #expect(answers.map(\.status) == [503, 308, 404, 504])
                let tunnel = try HTTPConnection(to: port)
                try tunnel.socket.send(
                    "GET /tunnel HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\nX-Request-Id: given-1\r\n"
                        + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
                let switched = try tunnel.responseHead()
                #expect(switched.status == 101)
                _ = try Self.objects(file, 5)
                let holding = try HTTPConnection(to: port)
                try holding.socket.send("GET /full/held HTTP/1.1\r\nHost: a\r\n\r\n")
                try Eventually.holds("the request at the endpoint") { app.receivedText.contains("/full/held") }
                let waiting = try HTTPConnection(to: port)
                try waiting.socket.send("GET /full/waiting HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try waiting.response().status == 503)

                let lines = try Self.objects(file, 6)
                func words(_ name: String) -> [String?] { lines.map { $0[name]?.text } }
                #expect(words("path") == ["/off", "/move", "/nowhere", "/late", "/tunnel", "/full/waiting"])
                #expect(
                    words("termination") == [
                        "done", "done", "refused", "endpoint_timeout", "tunnel_idle", "queue_timeout",
                    ])
                #expect(words("route") == ["off", "move", nil, "late", "tunnel", "full"])
                #expect(words("pool") == [nil, nil, nil, "app", "app", "full"])
                #expect(words("client_ip") == Array(repeating: "203.0.113.7", count: 5) + ["127.0.0.1"])
                #expect(lines[..<5].allSatisfy { $0["client_port"] == .null }, "a trusted proxy stated no port")
                #expect(lines[5]["client_port"]?.integer != nil)
                for (line, answer) in zip(lines, answers) {
                    #expect(line["status"]?.integer == answer.status)
                    #expect(line["bytes_out"]?.integer == answer.head.raw.utf8.count + answer.body.count)
                    #expect(line["request_id"]?.text == answer.head["X-Request-Id"])
                }
                #expect(words("request_id")[4] == "given-1")
                #expect(lines[4]["bytes_out"]?.integer == switched.raw.utf8.count + 2)
            }
        }

        @Test("the combined format is what log readers expect, whatever the request holds")
        func combined() throws {
            try Lab.run { lab in
                let app = try lab.http { _ in .response("0123456789") }
                let port = try Ports.unused()
                let folder = try TemporaryDirectory()
                let file = folder.file("access.log")
                _ = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, top: "access_log: {to: \(file), format: combined}"))
                let client = try HTTPConnection(to: port)
                _ = try client.request("/a?b=c", fields: ["User-Agent: x\" 200 1 \"y"])
                _ = try client.request("/", fields: ["Referer: http://r/"])
                try Eventually.holds("two lines") { try Self.lines(file).count == 2 }
                let form =
                    #/(\S+) - - \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+]0000)\] "([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)"/#
                let matches = try Self.lines(file).map { try #require($0.wholeMatch(of: form), "\($0)") }
                #expect(matches[0].1 == "127.0.0.1")
                #expect(matches[0].3 == "GET /a?b=c HTTP/1.1")
                #expect(matches[0].4 == "200")
                #expect(matches[0].5 == "10")
                #expect(matches[0].6 == "-")
                #expect(matches[0].7 == #"x\x22 200 1 \x22y"#)
                #expect(matches[1].6 == "http://r/")
                #expect(matches[1].7 == "-")
            }
        }

        @Test("SIGUSR1 under load: every node goes over to the new file, and no line is lost")
        func reopened() throws {
            try Lab.run { lab in
                let app = try lab.nginx("a")
                let port = try Ports.unused()
                let folder = try TemporaryDirectory()
                let file = folder.file("access.log"), old = folder.file("access.log.old")
                let site = try lab.site(
                    SiteText.http(port, to: [app.address], top: "access_log: {to: \(file), fields: [status]}"))
                let load = lab.load(port, connections: 4, requestsPerConnection: 20, expecting: "a")
                try load.progress(by: 300)
                try Eventually.holds("lines") { try !Self.lines(file).isEmpty }
                try FileManager.default.moveItem(atPath: file, toPath: old)
                site.signal(SIGUSR1)
                try Eventually.holds("lines in the new file") { try !Self.lines(file).isEmpty }
                try load.progress(by: 300)
                // Every node has left the old file when its links say so.
                for (id, pid) in site.nodeProcesses where id.hasPrefix("proxy") {
                    try Eventually.holds("\(id) to close the old file") { !Self.holds(pid, old) }
                }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                try Eventually.holds("a line for each request") {
                    try Self.lines(file).count + Self.lines(old).count == report.completed
                }
                #expect(try (Self.lines(old) + Self.lines(file)).allSatisfy { $0 == #"{"status":200}"# })
            }
        }

        private static func holds(_ pid: pid_t, _ path: String) -> Bool {
            let folder = "/proc/\(pid)/fd"
            let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            return names.contains {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")) == path
            }
        }

        @Test("by size under load: several nodes rename one file, and no line is lost or mixed")
        func bySize() throws {
            try Lab.run { lab in
                let app = try lab.nginx("a")
                let port = try Ports.unused()
                let folder = try TemporaryDirectory()
                let file = folder.file("access.log")
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 3,
                        top: "access_log: {to: \(file), max_size: 64KiB, keep: 100}"))
                let load = lab.load(port, connections: 6, requestsPerConnection: 10, expecting: "a")
                // How many lines that takes depends on how late the other nodes see that a file is full.
                try Eventually.holds("three renamed files") { FileManager.default.fileExists(atPath: "\(file).3") }
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(try site.terminate() == .exited(0))
                let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
                let lines = try names.flatMap { try Self.lines(folder.file($0)) }
                #expect(lines.count == report.completed)
                for line in lines { #expect(try JSON.parse(Data(line.utf8))["status"]?.integer == 200) }
            }
        }

        @Test("the last lines are there when the site has ended")
        func flushed() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                let folder = try TemporaryDirectory()
                let file = folder.file("access.log")
                let site = try lab.site(
                    SiteText.http(port, to: [app.address], top: "access_log: {to: \(file), fields: [path]}"))
                for number in 0..<50 { _ = try HTTPConnection(to: port).request("/\(number)") }
                #expect(try site.terminate() == .exited(0))
                #expect(try Set(Self.lines(file)) == Set((0..<50).map { "{\"path\":\"/\($0)\"}" }))
            }
        }

        @Test("a directory that is not there: requests are served, lost lines counted, and one complaint logged")
        func unwritable() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                let folder = try TemporaryDirectory()
                let site = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1, top: "access_log: {to: \(folder.file("none/a.log"))}"))
                let client = try HTTPConnection(to: port)
                for _ in 0..<20 { #expect(try client.request("/").status == 200) }
                try Eventually.holds("20 lost lines") {
                    try Self.metric(site, "sluice_access_log_dropped_total{reason=\"failed\"}") == 20
                }
                #expect(try Self.metric(site, "sluice_access_log_written_total") == 0)
                #expect(site.log.split(separator: "\n").count { $0.contains(" error access-log: ") } == 1)
            }
        }

        @Test("stdout is that of sluice run")
        func standardOutput() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: [app.address], top: "access_log: {to: stdout, fields: [path]}"))
                for number in 0..<20 { _ = try HTTPConnection(to: port).request("/\(number)") }
                let wanted = Set((0..<20).map { "{\"path\":\"/\($0)\"}" })
                try Eventually.holds("a line for each request on standard output") {
                    let lines = (site.controlPlane?.outputText ?? "").split(separator: "\n").map(String.init)
                    return Set(lines.filter { !$0.hasPrefix("ready:") }) == wanted && lines.count == 21
                }
            }
        }

        @Test("nobody reads the FIFO: requests go on, and what is dropped is counted")
        func stalledReader() throws {
            try Lab.run { lab in
                let app = try lab.nginx("a")
                let port = try Ports.unused()
                let folder = try TemporaryDirectory()
                #expect(mkfifo(folder.file("fifo"), 0o600) == 0)
                let reader = open(folder.file("fifo"), O_RDONLY | O_NONBLOCK)
                try #require(reader >= 0)
                defer { close(reader) }
                let site = try lab.site(
                    SiteText.http(port, to: [app.address], nodes: 1, top: "access_log: {to: \(folder.file("fifo"))}"))
                // Long targets fill the memory sooner: 1 MiB of records, 320 KiB of lines.
                let target = "/?" + String(repeating: "q", count: 3000)
                let load = lab.load(port, target: target, connections: 4, expecting: "a")
                try Eventually.holds("dropped lines", within: .seconds(30)) {
                    try Self.metric(site, "sluice_access_log_dropped_total{reason=\"full\"}") > 100
                }
                try load.progress(by: 200)
                let report = try load.stop()
                #expect(report.failed == 0, "\(report)")
                #expect(report.slowest < .seconds(2), "\(report.slowest)")
                // What is not written by then is given up; the node ends all the same.
                #expect(try site.terminate() == .exited(0))
            }
        }

        @Test("each request is a datagram to a syslog receiver")
        func syslog() throws {
            try Lab.run { lab in
                let app = try lab.http()
                let port = try Ports.unused()
                let receiver = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
                try #require(receiver >= 0)
                defer { close(receiver) }
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
                var length = socklen_t(MemoryLayout<sockaddr_in>.size)
                let isBound = withUnsafeMutablePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        bind(receiver, $0, length) == 0 && getsockname(receiver, $0, &length) == 0
                    }
                }
                try #require(isBound)
                var limit = timeval(tv_sec: 10, tv_usec: 0)
                setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                _ = try lab.site(
                    SiteText.http(
                        port, to: [app.address], nodes: 1,
                        top:
                            "access_log: {to: \"syslog:127.0.0.1:\(UInt16(bigEndian: address.sin_port))\", fields: [path]}"
                    ))
                for number in 0..<3 {
                    _ = try HTTPConnection(to: port).request("/\(number)")
                    var bytes = [UInt8](repeating: 0, count: 4096)
                    let count = recv(receiver, &bytes, bytes.count, 0)
                    try #require(count > 0, "no datagram")
                    let text = String(decoding: bytes[..<count], as: UTF8.self)
                    #expect(text.hasPrefix("<190>1 ") && text.hasSuffix("- {\"path\":\"/\(number)\"}"), "\(text)")
                }
            }
        }
    }
}
