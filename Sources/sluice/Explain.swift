import ArgumentParser
import ControlPlane
import Foundation
import NIOHTTP1

struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what a request would meet: listener, route, rules, pool and endpoints, and why not others.",
        discussion: """
            Nothing is sent. The route is found with the tables and the parser of the proxy nodes.

            EXAMPLES:
              sluice explain GET http://shop.example/api/items?v=2
              sluice explain POST /upload -H "Host: shop.example" -H "X-Beta: 1" --listener secure
              sluice explain CONNECT db.internal:5432 --json
              sluice explain GET https://shop.example --listener passthrough --alpn h2
            """)

    @Argument(help: "The request's method.")
    var method: String
    @Argument(help: "http://host[:port]/path?query, or a path; host:port for CONNECT.")
    var url: String
    @Option(name: [.customShort("H"), .customLong("header")], help: "A field, as \"Name: value\"; may be repeated.")
    var headers: [String] = []
    @Option(help: "The listener's name; without it the one with the URL's port, or the only one.")
    var listener: String?
    @Option(help: "The client's IP address.")
    var client: String?
    @Option(help: "A protocol that the client offers to a tls-passthrough listener; may be repeated.")
    var alpn: [String] = []
    @OptionGroup var json: JSONOption
    @OptionGroup var socket: SocketOption

    func run() async throws {
        let fields = try headers.map { header in
            guard let colon = header.firstIndex(of: ":"), colon > header.startIndex else {
                throw ValidationError("\"\(header)\" is no field: write it as \"Name: value\"")
            }
            return ExplainDocument.Field(
                name: String(header[..<colon]),
                value: header[header.index(after: colon)...].trimmingCharacters(in: .whitespaces))
        }
        let question = ExplainDocument(
            method: method, url: url, headers: fields, listener: listener, client: client,
            alpn: alpn.isEmpty ? nil : alpn)
        let answer = try await socket.client.send(
            .POST, "/v1/explain", body: Array(try APIHandler.encoder.encode(question)))
        let document = try socket.client.decode(ExplanationDocument.self, answer)
        Output.line(json.isWanted ? String(decoding: answer.body, as: UTF8.self) : Explain.text(document))
    }

    static func text(_ document: ExplanationDocument) -> String {
        var lines = ["listener  \(document.listener) (revision \(document.revision))"]
        let isByListener = document.route == nil && !document.pools.isEmpty
        lines.append("route     \(document.route ?? (isByListener ? "none: `to` of the listener" : "none"))")
        if let alert = document.alert { lines.append("alert     \(alert)") }
        if let answer = document.answer {
            var line = "answer    \(answer.status)"
            if let location = answer.location { line += " to \(location)" }
            if let reason = answer.reason { line += " (\(reason))" }
            lines.append(line)
        }
        for pool in document.pools {
            let share = document.pools.count > 1 ? ", \(percent(pool.share)) of the requests" : ""
            lines.append("pool      \(pool.name) (\(pool.balance)\(share))")
            for endpoint in pool.endpoints {
                let choice = endpoint.eligible ? "" : ", not chosen"
                lines.append("            \(endpoint.address) weight \(endpoint.weight), \(endpoint.state)\(choice)")
            }
        }
        if let mirror = document.mirror { lines.append("mirror    \(mirror.pool), \(percent(mirror.share))") }
        if let forwarded = document.forwarded {
            lines.append("sends     \(forwarded.requestLine)")
            lines += forwarded.headers.map { "            \($0.name): \($0.value)" }
        }
        if !document.passedOver.isEmpty { lines.append("not") }
        for route in document.passedOver {
            let reasons = route.reasons.joined(separator: ", ")
            lines.append("            \(route.route): \(reasons.isEmpty ? "matches" : "other \(reasons)")")
        }
        if document.passedOverMore > 0 { lines.append("            and \(document.passedOverMore) more") }
        return lines.joined(separator: "\n")
    }

    private static func percent(_ share: Double) -> String {
        share == share.rounded() ? "\(Int(share))%" : String(format: "%.2f%%", share)
    }
}
