import Glibc
package import Logging

/// Logs as the nodes write theirs: one line each on standard error, `level component: message`.
package struct LineLog: LogHandler {
    package var logLevel = Logger.Level.info
    package var metadata: Logger.Metadata = [:]
    private let component: String

    package init(component: String) { self.component = component }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let text = event.message.description.split(separator: "\n").joined(separator: " | ")
        LineLog.write("\(event.level.rawValue) \(component): \(text)\n", to: STDERR_FILENO)
    }

    /// One `write(2)`, so that lines of several processes don't mix.
    package static func write(_ line: String, to descriptor: CInt) {
        var bytes = Array(line.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno != EINTR { return }
            if count > 0 { bytes = bytes.dropFirst(count) }
        }
    }
}
