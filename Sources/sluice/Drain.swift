import ArgumentParser
import ControlPlane
import Foundation
import NIOHTTP1

struct Drain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send nothing new to a proxy node or an endpoint; what it has may finish.",
        discussion: """
            EXAMPLES:
              sluice drain proxy-2
              sluice drain app/127.0.0.1:9001
            """)

    @OptionGroup var target: DrainTarget
    @OptionGroup var socket: SocketOption

    func run() async throws { try await target.send("drain", to: socket.client) }
}

struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take back a drain.",
        discussion: """
            EXAMPLES:
              sluice resume proxy-2
              sluice resume app/127.0.0.1:9001
            """)

    @OptionGroup var target: DrainTarget
    @OptionGroup var socket: SocketOption

    func run() async throws { try await target.send("resume", to: socket.client) }
}

/// What `drain` and `resume` name.
struct DrainTarget: ParsableArguments {
    @Argument(help: ArgumentHelp("A node's id, or an endpoint as pool/address.", valueName: "name"))
    var name: String

    func send(_ action: String, to client: APIClient) async throws {
        let target: String
        if let slash = name.firstIndex(of: "/") {
            let pool = PercentEncoding.encode(String(name[..<slash]))
            let address = PercentEncoding.encode(String(name[name.index(after: slash)...]))
            target = "/v1/pools/\(pool)/endpoints/\(address)/\(action)"
        } else {
            target = "/v1/nodes/\(PercentEncoding.encode(name))/\(action)"
        }
        let document = try client.decode(DrainDocument.self, try await client.send(.POST, target))
        Output.line("\(document.name): \(document.state)")
    }
}

struct Scale: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Set the number of proxy nodes on the control plane's host.",
        discussion: """
            Holds until it is set again or a site file states another number. New nodes serve when the command
            returns; nodes that leave finish what they have.

            EXAMPLES:
              sluice scale 4
            """)

    @Argument(help: ArgumentHelp("How many, 0 to 256.", valueName: "number"))
    var number: Int

    @OptionGroup var socket: SocketOption

    func validate() throws {
        guard (0...256).contains(number) else { throw ValidationError("The number must be from 0 to 256.") }
    }

    func run() async throws {
        let client = socket.client
        let body = try APIHandler.encoder.encode(ScaleDocument(proxies: number))
        let document = try client.decode(
            ScaleDocument.self, try await client.send(.PUT, "/v1/scale", body: Array(body)))
        Output.line("\(document.proxies) proxy node\(document.proxies == 1 ? "" : "s")")
    }
}
