import ArgumentParser
import ControlPlane
import Foundation
import Planning
import SiteFile
import Snapshot

struct Plan: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a site would do with a load: shares, and what moves when nodes fail.",
        discussion: """
            Runs the forwarders' table and the proxies' balancing on numbers. Needs no control plane, sends nothing.
            Each pool is shown as if it got all requests.

            EXAMPLES:
              sluice plan site.yaml --nodes 200 --fail 5 --rate 1000000/s
              sluice plan site.yaml --nodes 20 --rate 50000/s --fail-endpoints 3 --latency 80 --json
            """)

    @Argument(help: ArgumentHelp("The site file.", valueName: "site"), completion: .file(extensions: ["yaml", "yml"]))
    var site: String

    @Option(help: ArgumentHelp("Proxy nodes. Default: those of the site file.", valueName: "n"))
    var nodes: Int?

    @Option(help: ArgumentHelp("Nodes that fail together.", valueName: "n"))
    var fail: Int = 0

    @Option(help: ArgumentHelp("Endpoints of each pool that are down.", valueName: "n"))
    var failEndpoints: Int = 0

    @Option(help: ArgumentHelp("Requests a second, as in 50000/s; 600000/m is the same.", valueName: "rate"))
    var rate: Rate = Rate(perSecond: 1000)

    @Option(help: ArgumentHelp("What an endpoint takes for a request, milliseconds.", valueName: "ms"))
    var latency: Double = 50

    @Option(help: ArgumentHelp("Another seed fails other nodes and endpoints.", valueName: "n"))
    var seed: UInt64 = 1

    @OptionGroup var json: JSONOption
    /// Every command takes `--socket`; this one asks nobody.
    @OptionGroup var socket: SocketOption

    func validate() throws {
        if let nodes, !(1...65_535).contains(nodes) { throw ValidationError("--nodes must be from 1 to 65535.") }
        guard fail >= 0, failEndpoints >= 0 else {
            throw ValidationError("--fail and --fail-endpoints must not be negative.")
        }
        guard latency > 0, latency <= 60_000 else { throw ValidationError("--latency must be from 0 to 60000 ms.") }
    }

    func run() async throws {
        let compiled: CompiledSite
        do {
            let source = try Controller.Source(readingFile: site)
            compiled = try SiteFile.compile(text: source.text, file: source.file, revision: 0)
        } catch let error as ConfigurationError {
            Diagnostics.print(error.diagnostics)
            throw ExitCode(1)
        } catch let error as StartError {
            throw CommandFailure(error.description)
        }
        let count = nodes ?? max(compiled.snapshot.proxy.nodes, 1)
        guard fail < count else {
            throw CommandFailure("--fail \(fail): the site has \(count) nodes, and one must be left")
        }
        let plan = SitePlan(
            compiled.snapshot,
            .init(
                nodes: count, failedNodes: fail, failedEndpoints: failEndpoints, rate: rate.perSecond,
                latencySeconds: latency / 1000, seed: seed))
        if json.isWanted {
            return Output.line(String(decoding: try APIHandler.encoder.encode(plan), as: UTF8.self))
        }
        Output.line(Plan.text(plan))
    }

    // MARK: text

    private static func text(_ plan: SitePlan) -> String {
        let question = plan.question
        var nodes = Table(
            ("NODES", .right), ("REQ/S LEAST", .right), ("MEAN", .right), ("MOST", .right), ("MOST ÷ MEAN", .right))
        add("\(question.nodes)", plan.nodes.rate, to: &nodes)
        if question.failedNodes > 0 {
            add("\(question.nodes - question.failedNodes)", plan.nodes.rateAfter, to: &nodes)
        }
        var text = nodes.text + "\n"
        if question.failedNodes > 0 {
            text += """

                \(question.failedNodes) of \(question.nodes) nodes fail: \(percent(plan.nodes.lostShare)) of the connections \
                were theirs, \(percent(plan.nodes.movedShare)) of others move.
                A node has to carry \(String(format: "%.2f", plan.nodes.headroom)) times its mean share.

                """
        }
        var pools = Table(
            ("POOL", .left), ("BALANCE", .left), ("ENDPOINTS", .right), ("USED BY A NODE", .right),
            ("NODES OF ONE", .right), ("REQ/S LEAST", .right), ("MEAN", .right), ("MOST", .right),
            ("MOST ÷ MEAN", .right), ("ACTIVE MOST", .right), ("SCOPE", .left))
        for pool in plan.pools {
            pools.add(
                pool.name, pool.balance, "\(pool.endpoints)", number(pool.usedByNode.most),
                "\(number(pool.nodesOfEndpoint.least))–\(number(pool.nodesOfEndpoint.most))", number(pool.rate.least),
                number(pool.rate.mean), number(pool.rate.most), ratio(pool.rate), number(pool.active.most), pool.scope)
        }
        return text + "\n" + pools.text
    }

    private static func add(_ label: String, _ rate: Spread, to table: inout Table) {
        table.add(label, number(rate.least), number(rate.mean), number(rate.most), ratio(rate))
    }

    private static func ratio(_ spread: Spread) -> String {
        spread.mean > 0 ? String(format: "%.2f", spread.most / spread.mean) : ""
    }

    private static func number(_ value: Double) -> String {
        value >= 100 || value == value.rounded() ? String(format: "%.0f", value) : String(format: "%.1f", value)
    }

    private static func percent(_ share: Double) -> String { String(format: "%.2f %%", share * 100) }
}

/// `1000000/s`, `600/m`, or a bare number of requests a second.
struct Rate: ExpressibleByArgument, CustomStringConvertible {
    let perSecond: Double

    init(perSecond: Double) { self.perSecond = perSecond }

    init?(argument: String) {
        let parts = argument.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let number = Double(parts[0]), number > 0, number <= 1e12 else { return nil }
        switch parts.count == 2 ? parts[1] : "s" {
        case "s": perSecond = number
        case "m": perSecond = number / 60
        default: return nil
        }
    }

    var description: String { "\(perSecond)/s" }
}
