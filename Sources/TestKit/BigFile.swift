import Foundation

/// A large file of bytes that don't repeat, and its SHA-256.
package struct BigFile: Sendable {
    package let path: String
    package let bytes: Int
    /// SHA-256 in hexadecimal.
    package let digest: String

    /// Makes the file from a cipher stream, which is quicker than `/dev/urandom`.
    ///
    /// - Parameter name: Its path inside `directory`.
    package init(mebibytes: Int, in directory: TemporaryDirectory, name: String = "big") throws {
        try self.init(mebibytes: mebibytes, at: directory.file(name))
    }

    package init(mebibytes: Int, at path: String) throws {
        self.path = path
        bytes = mebibytes << 20
        try Command.succeed([
            "sh", "-c",
            "head -c \(bytes) /dev/zero | openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff"
                + " -iv 0123456789abcdef0123456789abcdef > '\(path)'",
        ])
        digest = try BigFile.firstWord(Command.succeed(["openssl", "dgst", "-sha256", "-r", path]))
    }

    /// Sends the file with PUT to a `DigestEndpoint`; answers the digest it computed.
    ///
    /// - Throws: `TestKitError` when the transport fails or the status isn't 200.
    package static func upload(_ file: BigFile, to url: String, chunked: Bool) throws -> String {
        // curl gives `Content-Length` for a file and chunks for what comes from a pipe.
        let source = chunked ? "-" : file.path
        let command =
            "cat '\(file.path)' | curl --silent --show-error --fail --max-time 120 --upload-file \(source) \(url)"
        return try Command.succeed(["sh", "-c", command], within: .seconds(130))
    }

    /// Fetches a URL; answers the digest of the body.
    package static func download(_ url: String) throws -> String {
        let command = "curl --silent --show-error --fail --max-time 120 \(url) | openssl dgst -sha256 -r"
        return try firstWord(Command.succeed(["sh", "-c", command], within: .seconds(130)))
    }

    private static func firstWord(_ text: String) -> String {
        String(text.prefix { $0 != " " })
    }
}
