import EventLoop
import Snapshot
import Telemetry

extension SiteCompiler {
    func compile(accessLog reader: SectionReader?) -> AccessLogSettings? {
        guard let reader else { return nil }
        let written = reader.require(AccessLogKeys.to, hint: "as in `to: /var/log/sluice/access.log`")
        var log = AccessLogSettings(target: .standardOutput)
        reader.read(AccessLogKeys.format, into: &log.format)
        if let fields = reader.read(AccessLogKeys.fields) {
            log.fields = unique(fields, at: reader.mark(of: AccessLogKeys.fields)) { "\($0.name)" }
            if log.format != .json {
                diagnostics.error(
                    reader.mark(of: AccessLogKeys.fields), "the format \("combined".quoted) has fields of its own",
                    hint: "leave `fields` out, or write `format: json`")
            }
        }
        log.fileBytesMax = reader.read(AccessLogKeys.maxSize)
        reader.read(AccessLogKeys.keep, into: &log.keptFiles)
        guard let written else { return nil }
        guard let target = target(written, reader) else { return nil }
        log.target = target
        checkRotation(log, reader)
        return log
    }

    private func target(_ written: WrittenLogTarget, _ reader: SectionReader) -> AccessLogSettings.Target? {
        switch written {
        case .standardOutput: return .standardOutput
        case .file(let path): return .file(path)
        case .syslog(.address(let address)): return .syslog(address)
        case .syslog(.name(let name, let port)):
            let mark = reader[node: AccessLogKeys.to]?.mark ?? reader.mark
            let addresses = names.addresses(of: name, port: port, at: mark, diagnostics)
            return addresses?.first.map { .syslog(.ip($0)) }
        }
    }

    /// Only a file can be renamed, and only with a size from which.
    private func checkRotation(_ log: AccessLogSettings, _ reader: SectionReader) {
        if case .file = log.target {
            guard reader.has(AccessLogKeys.keep) && !reader.has(AccessLogKeys.maxSize) else { return }
            diagnostics.error(
                reader.mark(of: AccessLogKeys.keep), "`keep` says nothing without `max_size`",
                hint: "add `max_size`, as in `max_size: 100MiB`")
            return
        }
        if reader.has(AccessLogKeys.maxSize) {
            diagnostics.error(
                reader.mark(of: AccessLogKeys.maxSize), "`max_size` is for files",
                hint: "leave it out, or write a path in `to`")
        }
        if reader.has(AccessLogKeys.keep) {
            diagnostics.error(
                reader.mark(of: AccessLogKeys.keep), "`keep` is for files",
                hint: "leave it out, or write a path in `to`")
        }
    }
}
