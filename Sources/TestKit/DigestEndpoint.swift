import Foundation

/// An HTTP endpoint that reads each request body through SHA-256 and answers with the digest in hexadecimal.
///
/// It keeps no body, so that a test can send a gibibyte through the site.
package final class DigestEndpoint: Sendable {
    package let endpoint: ScriptedEndpoint
    package var address: String { endpoint.address }

    package init() throws {
        endpoint = try ScriptedEndpoint("digest") { connection in
            let reader = HTTPReader(connection.socket)
            while let head = try reader.head() {
                if head["Expect"]?.lowercased() == "100-continue" {
                    try connection.socket.send("HTTP/1.1 100 Continue\r\n\r\n")
                }
                let digest = try Digest()
                try reader.body(.ofRequest(head)) { try digest.update($0) }
                try connection.socket.send(EndpointAnswer.response(try digest.finish()).bytes)
            }
        }
    }

    package func stop() { endpoint.stop() }
}

/// SHA-256 of a stream, computed by `openssl dgst` at the other end of a pipe.
package final class Digest {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    package init() throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl", "dgst", "-sha256", "-r"]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    package func update(_ bytes: UnsafeRawBufferPointer) throws {
        var written = 0
        while written < bytes.count {
            let count = write(
                input.fileHandleForWriting.fileDescriptor, bytes.baseAddress! + written, bytes.count - written)
            guard count >= 0 else {
                if errno == EINTR { continue }
                throw SystemCallError(call: "write to openssl", errno: errno)
            }
            written += count
        }
    }

    /// The digest of everything written, in hexadecimal.
    package func finish() throws -> String {
        try input.fileHandleForWriting.close()
        let text = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: text.prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self)
    }
}
