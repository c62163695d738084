import EventLoop
import Glibc

/// Records to lines: JSON (RFC 8259) or "combined". By the writer thread only.
struct AccessLineFormat {
    private let format: AccessLogSettings.Format
    private let fields: [AccessField]
    /// Date and time of the second last written.
    private var text = TimeText()

    init(_ settings: AccessLogSettings) {
        format = settings.format
        fields = settings.fields
    }

    /// Appends one line with its newline.
    ///
    /// - Parameters:
    ///   - bytes: A record from a ring.
    ///   - wallOffset: Nanoseconds since 1970 at the monotonic clock's zero.
    ///   - lineBytesMax: What the target takes as a whole; a longer line is made anew with its texts cut shorter.
    mutating func append(
        _ bytes: UnsafeRawBufferPointer, wallOffset: UInt64, lineBytesMax: Int, to out: inout LineBuffer
    ) {
        let (record, texts) = unsafe AccessRecord.read(bytes)
        let start = out.count
        var textBytesMax = AccessTexts.requestLineBytesMax
        while true {
            text.update(nanoseconds: record.startedAt &+ wallOffset)
            switch format {
            case .json: appendJSON(record, texts, textBytesMax, to: &out)
            case .combined: appendCombined(record, texts, textBytesMax, to: &out)
            }
            out.append(0x0a)
            guard out.count - start > lineBytesMax && textBytesMax > 16 else { return }
            out.cut(to: start)
            textBytesMax /= 2
        }
    }

    // MARK: JSON

    private func appendJSON(
        _ record: AccessRecord, _ texts: AccessTexts, _ max: Int, to out: inout LineBuffer
    ) {
        for index in fields.indices {
            out.append(index == 0 ? "{\"" : ",\"")
            out.append(fields[index].name)
            out.append("\":")
            append(fields[index], record, texts, max, to: &out)
        }
        out.append(0x7d)
    }

    private func append(
        _ field: AccessField, _ record: AccessRecord, _ texts: AccessTexts, _ max: Int, to out: inout LineBuffer
    ) {
        switch field {
        case .time:
            out.append(0x22)
            text.appendRFC3339(to: &out)
            out.append(0x22)
        case .clientIP:
            out.append(0x22)
            AccessLineFormat.append(record.client, to: &out)
            out.append(0x22)
        case .clientPort:
            if record.client.port == 0 { out.append("null") } else { out.append(decimal: UInt64(record.client.port)) }
        case .listener: AccessLineFormat.append(texts.listener, max, to: &out)
        case .route: AccessLineFormat.append(texts.route, max, to: &out)
        case .pool: AccessLineFormat.append(texts.pool, max, to: &out)
        case .endpoint: AccessLineFormat.append(texts.endpoint, max, to: &out)
        case .method: AccessLineFormat.append(texts.requestLine.part(0, record.methodLength), max, to: &out)
        case .host: AccessLineFormat.append(texts.host, max, to: &out)
        case .path:
            AccessLineFormat.append(texts.requestLine.part(record.pathStart, record.pathLength), max, to: &out)
        case .query:
            AccessLineFormat.append(texts.requestLine.part(record.queryStart, record.queryLength), max, to: &out)
        case .version:
            switch record.minorVersion {
            case AccessRecord.noVersion: out.append("null")
            case 0: out.append("\"HTTP/1.0\"")
            case AccessRecord.http2: out.append("\"HTTP/2.0\"")
            default: out.append("\"HTTP/1.1\"")
            }
        case .status: out.append(decimal: UInt64(record.status))
        case .bytesIn: out.append(decimal: record.bytesIn)
        case .bytesOut: out.append(decimal: record.bytesOut)
        case .duration: out.append(seconds: record.duration)
        case .connectTime: AccessLineFormat.append(time: record.connectTime, to: &out)
        case .ttfb: AccessLineFormat.append(time: record.headTime, to: &out)
        case .attempts: out.append(decimal: UInt64(record.attempts))
        case .termination:
            out.append(0x22)
            out.append(record.termination.name)
            out.append(0x22)
        case .requestID:
            guard texts.requestID.count == 0 else {
                AccessLineFormat.append(texts.requestID, max, to: &out)
                return
            }
            out.append(0x22)
            out.append(hex: record.idHigh)
            out.append(hex: record.idLow)
            out.append(0x22)
        case .userAgent: AccessLineFormat.append(texts.userAgent, max, to: &out)
        case .referer: AccessLineFormat.append(texts.referer, max, to: &out)
        case .request:
            guard texts.requestLine.count > 0 else {
                out.append("null")
                return
            }
            out.append(0x22)
            out.append(json: texts.requestLine.prefix(max))
            AccessLineFormat.append(version: record.minorVersion, to: &out)
            out.append(0x22)
        case .forwardedFor: AccessLineFormat.append(texts.forwardedFor, max, to: &out)
        }
    }

    /// A string, or null when it is empty.
    private static func append(_ text: AccessText, _ max: Int, to out: inout LineBuffer) {
        guard text.count > 0 else {
            out.append("null")
            return
        }
        out.append(0x22)
        out.append(json: text.prefix(max))
        out.append(0x22)
    }

    private static func append(time: UInt64, to out: inout LineBuffer) {
        if time == AccessRecord.never { out.append("null") } else { out.append(seconds: time) }
    }

    /// The last part of a request line; nothing where that is in the text already.
    private static func append(version: UInt8, to out: inout LineBuffer) {
        guard version != AccessRecord.noVersion else { return }
        out.append(version == AccessRecord.http2 ? " HTTP/2.0" : version == 0 ? " HTTP/1.0" : " HTTP/1.1")
    }

    private static func append(_ address: IPEndpoint, to out: inout LineBuffer) {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: IPEndpoint.hostTextBytesMax) { text in
            let count = unsafe address.writeHost(to: text.baseAddress!)
            unsafe out.append(text.baseAddress!, count)
        }
    }

    // MARK: combined

    /// `addr - user [time] "request" status body_bytes "referer" "user agent"`; nothing is `-`.
    private func appendCombined(
        _ record: AccessRecord, _ texts: AccessTexts, _ max: Int, to out: inout LineBuffer
    ) {
        AccessLineFormat.append(record.client, to: &out)
        out.append(" - - [")
        text.appendCommonLog(to: &out)
        out.append("] \"")
        if texts.requestLine.count == 0 { out.append(0x2d) }
        out.append(combined: texts.requestLine.prefix(max))
        AccessLineFormat.append(version: record.minorVersion, to: &out)
        out.append("\" ")
        out.append(decimal: UInt64(record.status))
        out.append(0x20)
        out.append(decimal: record.bytesOut - min(record.headBytesOut, record.bytesOut))
        for value in [texts.referer, texts.userAgent] {
            out.append(" \"")
            if value.count == 0 { out.append(0x2d) }
            out.append(combined: value.prefix(max))
            out.append(0x22)
        }
    }
}

/// A moment in UTC as text; the calendar is asked once a second.
@safe
struct TimeText {
    private var second: Int64 = -1
    private var milliseconds: UInt64 = 0
    private var parts = unsafe tm()

    /// - Parameter nanoseconds: Since 1970.
    mutating func update(nanoseconds: UInt64) {
        milliseconds = nanoseconds / 1_000_000 % 1000
        let now = Int64(nanoseconds / 1_000_000_000)
        guard now != second else { return }
        second = now
        var time = time_t(now)
        unsafe gmtime_r(&time, &parts)
    }

    private var year: UInt64 { UInt64(unsafe parts.tm_year) + 1900 }
    private var day: UInt64 { UInt64(unsafe parts.tm_mday) }

    private func appendClock(to out: inout LineBuffer) {
        out.append(decimal: UInt64(unsafe parts.tm_hour), digits: 2)
        out.append(0x3a)
        out.append(decimal: UInt64(unsafe parts.tm_min), digits: 2)
        out.append(0x3a)
        out.append(decimal: UInt64(unsafe parts.tm_sec), digits: 2)
    }

    /// `2026-11-21T02:07:12.345Z` (RFC 3339 §5.6).
    func appendRFC3339(to out: inout LineBuffer) {
        out.append(decimal: year, digits: 4)
        out.append(0x2d)
        out.append(decimal: UInt64(unsafe parts.tm_mon) + 1, digits: 2)
        out.append(0x2d)
        out.append(decimal: day, digits: 2)
        out.append(0x54)
        appendClock(to: &out)
        out.append(0x2e)
        out.append(decimal: milliseconds, digits: 3)
        out.append(0x5a)
    }

    /// `21/Nov/2026:02:07:12 +0000`.
    func appendCommonLog(to out: inout LineBuffer) {
        out.append(decimal: day, digits: 2)
        out.append(0x2f)
        appendMonth(to: &out)
        out.append(0x2f)
        out.append(decimal: year, digits: 4)
        out.append(0x3a)
        appendClock(to: &out)
        out.append(" +0000")
    }

    /// `Nov 21 02:07:12` (RFC 3164 §4.1.2), which local syslog sockets expect.
    func appendBSD(to out: inout LineBuffer) {
        appendMonth(to: &out)
        out.append(0x20)
        if day < 10 { out.append(0x20) }
        out.append(decimal: day)
        out.append(0x20)
        appendClock(to: &out)
    }

    private func appendMonth(to out: inout LineBuffer) {
        let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
        unsafe out.append(months.utf8Start + Int(parts.tm_mon) * 3, 3)
    }
}
