import EventLoop
import NodeAgent
import NodeLink
import Testing

/// The flags that no node can do without.
private let least = ["--id", "proxy-1", "--state", "/s", "--link", "/l"]

/// Arguments and what the message must say.
private let wrongUsage: [([String], String)] = [
    ([], "no role"), (["router"] + least, "router"), (["proxy"] + Array(least.dropFirst(2)), "--id is missing"),
    (["proxy"] + Array(least.dropLast(2)), "--link is missing"),
    (["proxy"] + Array(least.dropLast()), "--link needs a value"),
    (["proxy"] + least + ["--id", "b"], "--id is given twice"), (["proxy"] + least + ["--x"], "--x"),
    (["proxy"] + least + ["extra"], "extra"), (["proxy"] + least + ["--address", "host:1"], "host:1"),
    (["proxy"] + least + ["--forwarders", "10.0.0.1/8"], "10.0.0.1/8"),
    (["proxy"] + least + ["--address", "10.0.0.1:1"], "go together"),
    (["proxy"] + least + ["--forwarders", "10.0.0.0/8"], "go together"),
    (["forwarder"] + least + ["--address", "10.0.0.1:1", "--forwarders", "::1"], "for proxies"),
    (["proxy", "--id=../x", "--state=/s", "--link=/l"], "../x"),
    (["proxy", "--id=.x", "--state=/s", "--link=/l"], ".x"),
    (["proxy", "--id=", "--state=/s", "--link=/l"], "--id needs a value"),
]

@Suite("Command line of sluice-node")
struct NodeArgumentsTests {
    private func parsed(_ arguments: [String]) throws -> NodeArguments? {
        if case .run(let parsed) = try NodeArguments.parse(arguments) { return parsed }
        return nil
    }

    private func message(_ arguments: [String]) -> String? {
        do {
            _ = try NodeArguments.parse(arguments)
            return nil
        } catch { return error.message }
    }

    @Test("the least there is")
    func smallest() throws {
        let arguments = try #require(try parsed(["proxy"] + least))
        #expect(arguments.role == .proxy)
        #expect(arguments.id == "proxy-1")
        #expect(arguments.state == "/s")
        #expect(arguments.link == "/l")
        #expect(arguments.workers == 1)
        #expect(arguments.handOverPrefix == "/s/run/proxy-1")
        #expect(try parsed(["forwarder"] + least)?.role == .forwarder)
    }

    @Test("everything, in both spellings")
    func everything() throws {
        let arguments = try #require(
            try parsed(
                ["proxy"] + least + [
                    "--workers=4", "--address", "10.0.0.2:7000", "--forwarders=10.0.0.0/24", "--forwarders", "::1",
                ]))
        #expect(arguments.workers == 4)
        #expect(arguments.address == IPEndpoint("10.0.0.2:7000"))
        #expect(arguments.forwarders.map(\.description) == ["10.0.0.0/24", "::1/128"])
        #expect(arguments.handOverPrefix == nil)
    }

    @Test("help and version, wherever they stand", arguments: [[], ["proxy"], ["proxy", "--id", "x"]])
    func questions(before: [String]) throws {
        #expect(try NodeArguments.parse(before + ["--help"]) == .help)
        #expect(try NodeArguments.parse(before + ["--version"]) == .version)
    }

    @Test("workers: 1 to 256", arguments: [("0", false), ("1", true), ("256", true), ("257", false), ("x", false)])
    func workers(text: String, isValid: Bool) {
        #expect((message(["proxy"] + least + ["--workers", text]) == nil) == isValid)
    }

    @Test(
        "wrong usage names what is wrong",
        arguments: wrongUsage)
    func wrong(arguments: [String], says: String) throws {
        let message = try #require(self.message(arguments))
        #expect(message.contains(says))
        #expect(!message.contains("\n"))
    }

    @Test("a socket's path must fit: 107 bytes", arguments: [-1, 0, 1])
    func paths(excess: Int) {
        let length = SocketAddress.unixPathBytesMax + excess
        let link = "/" + String(repeating: "l", count: length - 1)
        #expect((message(["forwarder", "--id=f", "--state=/s", "--link", link]) == nil) == (excess <= 0))
        let state = "/" + String(repeating: "s", count: length - 1 - "/run/p.0.sock".utf8.count)
        #expect((message(["proxy", "--id=p", "--link=/l", "--state", state]) == nil) == (excess <= 0))
    }

    @Test("a name has at most 64 characters", arguments: [63, 64, 65])
    func names(length: Int) {
        let id = String(repeating: "a", count: length)
        #expect((message(["proxy", "--id", id, "--state=/s", "--link=/l"]) == nil) == (length <= 64))
    }
}
