import EventLoop
import Telemetry

/// The keys of `access_log`.
enum AccessLogKeys {
    private static let standard = AccessLogSettings(target: .standardOutput)
    static let to = Key(
        "to", .logTarget, stands: "required",
        "`stdout` (of `sluice run`), a file's absolute path (appended to; several nodes share it; SIGUSR1 to `sluice` opens it anew), or `syslog:` and a datagram socket's path or a UDP address (facility local7)."
    )
    static let format = Key(
        "format", .word([("json", .json), ("combined", .combined)]), default: standard.format,
        "`json`: an object a line. `combined`: as nginx and Apache write it, times in UTC.")
    static let fields = Key(
        "fields", .oneOrMore(.logField, each: "field"), stands: "every field but `request`",
        "Members of a `json` line, in this order.")
    static let maxSize = Key(
        "max_size", .size(64 * 1024...1 << 40), stands: "the file is never renamed by size",
        "A file of this size is renamed to `NAME.1`, that one to `NAME.2`, and so on.")
    static let keep = Key(
        "keep", .integer(1...100), default: standard.keptFiles, "Renamed files that are kept, with `max_size`.")
    static let section = Section(
        "access_log",
        """
        Requests of http listeners; connections of tcp listeners have no line. Lines
        are written by a thread of each node, at most 100 ms after the end of the request. No request waits for the log: when the
        target is slower than the requests, or fails, lines are dropped and counted (`sluice_access_log_dropped_total`).

        | Field | Holds |
        |---|---|
        \(AccessField.allCases.map { "| `\($0.name)` | \($0.meaning) |" }.joined(separator: "\n"))

        A text that a request did not have is null. At most \(AccessTexts.requestLineBytesMax) bytes of method and target and \(AccessTexts.textBytesMax) of any other text are logged
        (less where a line would not fit the target: \(AccessLogSettings.pipeLineBytesMax) bytes a line to a pipe, \(AccessLogSettings.syslogLineBytesMax) to syslog). Bytes that are no UTF-8 become U+FFFD.

        | `termination` | Means |
        |---|---|
        \(Termination.allCases.filter { $0 != .unknown }.map { "| `\($0.name)` | \($0.meaning) |" }.joined(separator: "\n"))
        """,
        keys: [to.declaration, format.declaration, fields.declaration, maxSize.declaration, keep.declaration])
}

/// `access_log.to` as written: a syslog receiver may have a name that must be resolved.
enum WrittenLogTarget: Sendable {
    case standardOutput
    case file(String)
    case syslog(WrittenAddress)
}

extension Form where Value == WrittenLogTarget {
    static var logTarget: Form {
        let phrase =
            "\("stdout".quoted), a path such as \("/var/log/sluice/access.log".quoted), \("syslog:/dev/log".quoted) or \("syslog:10.0.0.9:514".quoted)"
        return .scalar(
            phrase,
            hint: { text in
                if ["stderr", "-"].contains(text) {
                    return "standard error has the nodes' own messages: take \("stdout".quoted)"
                }
                if text.hasPrefix("syslog:") { return "a path begins with a slash, an address has a port" }
                if !text.hasPrefix("/") { return "a path begins with a slash" }
                return "at most \(pathBytesMax) bytes, and not a directory"
            },
            parse: parse)
    }

    /// `PATH_MAX` of Linux less room for the numbers of renamed files.
    private static var pathBytesMax: Int { 4000 }

    private static func parse(_ text: String) -> WrittenLogTarget? {
        if text == "stdout" { return .standardOutput }
        guard text.hasPrefix("syslog:") else {
            let isPath = text.hasPrefix("/") && !text.hasSuffix("/") && text.utf8.count <= pathBytesMax
            return isPath && !text.utf8.contains(0) ? .file(text) : nil
        }
        let receiver = String(text.dropFirst("syslog:".count))
        if receiver.hasPrefix("/") { return SocketAddress("unix:" + receiver).map { .syslog(.address($0)) } }
        guard let written = Form<WrittenAddress>.remoteAddress(receiver) else { return nil }
        return .syslog(written)
    }
}

extension Form where Value == WrittenAddress {
    /// `1.2.3.4:514`, `[v6]:514` or `name:514`, without messages; nil for anything else.
    static func remoteAddress(_ text: String) -> WrittenAddress? {
        if let endpoint = IPEndpoint(text) {
            return endpoint.isAny || endpoint.port == 0 ? nil : .address(.ip(endpoint))
        }
        guard let colon = text.lastIndex(of: ":"),
            let number = Form<Int>.decimal(String(text[text.index(after: colon)...])),
            let port = UInt16(exactly: number),
            port > 0, isName(String(text[..<colon]))
        else { return nil }
        return .name(text[..<colon].lowercased(), port: port)
    }
}

extension Form where Value == AccessField {
    static var logField: Form {
        .word(AccessField.allCases.map { ("\($0.name)", $0) })
    }
}
