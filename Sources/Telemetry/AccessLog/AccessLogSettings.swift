package import EventLoop

/// `access_log`: one line for each request.
package struct AccessLogSettings: Equatable, Sendable {
    /// `access_log.to`.
    package enum Target: Equatable, Sendable {
        case standardOutput
        /// An absolute path; a FIFO will do.
        case file(String)
        /// Datagrams: UDP (RFC 5426) to an IP address, or a local socket such as `/dev/log`.
        case syslog(SocketAddress)
    }
    /// `access_log.format`.
    package enum Format: UInt8, CaseIterable, Sendable {
        /// One JSON object a line (RFC 8259).
        case json = 0
        /// nginx's and Apache's "combined".
        case combined = 1
    }
    /// What one `write(2)` to a pipe puts there as a whole, whoever else writes to it (`PIPE_BUF`, `pipe(7)`).
    package static let pipeLineBytesMax = 4096
    /// What every receiver of syslog should take (RFC 5424 §6.1), less room for the header.
    package static let syslogLineBytesMax = 2048 - 160

    package var target: Target
    package var format: Format
    /// `access_log.fields`, for `json`; never empty, no field twice.
    package var fields: [AccessField]
    /// `access_log.max_size`: bytes from which a file is renamed; nil: never.
    package var fileBytesMax: Int?
    /// `access_log.keep`: renamed files; 1…100.
    package var keptFiles: Int

    package init(
        target: Target, format: Format = .json, fields: [AccessField] = AccessField.standard, fileBytesMax: Int? = nil,
        keptFiles: Int = 5
    ) {
        self.target = target
        self.format = format
        self.fields = fields
        self.fileBytesMax = fileBytesMax
        self.keptFiles = keptFiles
    }
}
