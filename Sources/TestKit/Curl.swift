package import Foundation

/// HTTP requests by curl: a client that is not ours.
package enum Curl {
    package struct Response: Sendable {
        /// The head of the final response (interim ones are left out); empty when there was none.
        package let head: HTTPHead
        package let body: Data
        /// curl's exit code: 0 done, 7 connection refused, 28 timed out, 52 empty answer, 56 reset, …
        package let exitCode: CInt
        package let errors: String
        package let elapsed: Duration

        package var status: Int { head.status }
        package var text: String { String(decoding: body, as: UTF8.self) }

        package func json() throws -> JSON { try JSON.parse(body) }
    }

    /// One request. A failure of the transport is told by `exitCode`.
    ///
    /// - Parameters:
    ///   - fields: "Name: value" each; they replace those that curl would send.
    ///   - body: Sent with `Content-Length`.
    ///   - arguments: Further curl options.
    ///   - within: curl's own limit (`--max-time`).
    package static func request(
        _ url: String, method: String? = nil, fields: [String] = [], body: Data? = nil, unixSocket: String? = nil,
        arguments: [String] = [], on host: Network.Host? = nil, within: Duration = .seconds(10)
    ) throws -> Response {
        let directory = try TemporaryDirectory()
        var command = (host?.prefix ?? []) + ["curl", "--silent", "--show-error", "--noproxy", "*"]
        command += ["--max-time", String(seconds(within)), "--dump-header", directory.file("head")]
        command += ["--output", directory.file("body")]
        if let method { command += method == "HEAD" ? ["--head"] : ["--request", method] }
        for field in fields { command += ["--header", field] }
        if body != nil { command += ["--data-binary", "@-"] }
        if let unixSocket { command += ["--unix-socket", unixSocket] }
        command += arguments + [url]
        let clock = ContinuousClock()
        let start = clock.now
        let result = try Command.run(command, input: body, within: within + .seconds(5))
        let elapsed = clock.now - start
        // The heads of interim responses stand first in the dump, trailers last.
        let heads = (try? String(contentsOfFile: directory.file("head"), encoding: .utf8)) ?? ""
        let last = heads.components(separatedBy: "\r\n\r\n").last { $0.hasPrefix("HTTP/") } ?? ""
        let received = (try? Data(contentsOf: URL(fileURLWithPath: directory.file("body")))) ?? Data()
        return Response(
            head: HTTPHead(last), body: received, exitCode: result.exitCode, errors: result.errors, elapsed: elapsed)
    }

    /// One request that has to get a response, whatever its status.
    ///
    /// - Throws: `TestKitError` when the transport failed.
    package static func get(
        _ url: String, fields: [String] = [], on host: Network.Host? = nil, within: Duration = .seconds(10)
    ) throws -> Response {
        let response = try request(url, fields: fields, on: host, within: within)
        guard response.exitCode == 0 else {
            throw TestKitError("curl \(url): exit code \(response.exitCode): \(response.errors)")
        }
        return response
    }
}
