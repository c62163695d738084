extension Form where Value == Duration {
    /// `250ms`, `2s`, `5m`, `1h`: a whole number and its unit.
    static func duration(_ range: ClosedRange<Duration>) -> Form {
        let (low, high) = (render(range.lowerBound), render(range.upperBound))
        return .scalar(
            "a duration from \(low) to \(high)", render: { render($0) },
            hint: { text in
                if let number = Form<Int>.decimal(text) { return "a duration has a unit, as in \("\(number)s".quoted)" }
                if parse(text) == nil, let meant = corrected(text) { return "did you mean \(meant.quoted)?" }
                return parse(text) == nil ? "a whole number and one of ms, s, m, h, as in \("250ms".quoted)" : nil
            },
            parse: { text in parse(text).flatMap { range.contains($0) ? $0 : nil } })
    }

    private static var units: [(suffix: String, milliseconds: Int64)] {
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
    }

    static func parse(_ text: String) -> Duration? {
        for unit in units where text.hasSuffix(unit.suffix) {
            guard let number = Form<Int>.decimal(String(text.dropLast(unit.suffix.count))), number >= 0 else {
                continue
            }
            let (milliseconds, overflow) = Int64(number).multipliedReportingOverflow(by: unit.milliseconds)
            return overflow ? nil : .milliseconds(milliseconds)
        }
        return nil
    }

    /// In the largest unit that leaves a whole number.
    static func render(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        let unit = units.last { milliseconds % $0.milliseconds == 0 && milliseconds >= $0.milliseconds } ?? units[0]
        return "\(milliseconds / unit.milliseconds)\(unit.suffix)"
    }

    /// `10 s`, `10sec`, `1.5s`, `2S`, `1d`: what was probably meant.
    private static func corrected(_ text: String) -> String? {
        let compact = text.lowercased().filter { $0 != " " }
        let number = compact.prefix { $0.isNumber || $0 == "." }
        let word = String(compact.dropFirst(number.count))
        let suffixes = [
            "ms": "ms", "msec": "ms", "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s", "m": "m",
            "min": "m", "mins": "m", "minute": "m", "minutes": "m", "h": "h", "hour": "h", "hours": "h",
        ]
        let unit: Double
        if let suffix = suffixes[word], let factor = units.first(where: { $0.suffix == suffix }) {
            unit = Double(factor.milliseconds)
        } else if ["d", "day", "days"].contains(word) {
            unit = 86_400_000
        } else {
            return nil
        }
        guard let value = Double(number), value > 0, value * unit < 1e12, (value * unit).rounded() == value * unit
        else { return nil }
        return render(.milliseconds(Int64(value * unit)))
    }
}

extension Form where Value == Int {
    /// `64KiB`, `10MiB`, or bytes without a unit.
    static func size(_ range: ClosedRange<Int>) -> Form {
        .scalar(
            "a size from \(render(bytes: range.lowerBound)) to \(render(bytes: range.upperBound))",
            render: { render(bytes: $0) },
            hint: { text in
                if parseSize(text) == nil, let meant = correctedSize(text) { return "did you mean \(meant.quoted)?" }
                return parseSize(text) == nil
                    ? "a whole number and one of B, KiB, MiB, GiB, as in \("64KiB".quoted)" : nil
            },
            parse: { text in parseSize(text).flatMap { range ~= $0 ? $0 : nil } })
    }

    private static var sizeUnits: [(suffix: String, bytes: Int)] {
        [("KiB", 1024), ("MiB", 1024 * 1024), ("GiB", 1024 * 1024 * 1024), ("B", 1)]
    }

    static func parseSize(_ text: String) -> Int? {
        let unit = sizeUnits.first { text.hasSuffix($0.suffix) } ?? ("", 1)
        guard let number = decimal(String(text.dropLast(unit.suffix.count))), number >= 0 else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit.bytes)
        return overflow ? nil : bytes
    }

    static func render(bytes: Int) -> String {
        for (suffix, unit) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        where bytes >= unit && bytes % unit == 0 {
            return "\(bytes / unit)\(suffix)"
        }
        return "\(bytes)B"
    }

    /// `64k`, `64KB`, `64 KiB`, `10mb`.
    private static func correctedSize(_ text: String) -> String? {
        let compact = text.lowercased().filter { $0 != " " }
        let number = compact.prefix(while: \.isNumber)
        let suffixes = [
            "k": "KiB", "kb": "KiB", "kib": "KiB", "m": "MiB", "mb": "MiB", "mib": "MiB", "g": "GiB", "gb": "GiB",
            "gib": "GiB",
        ]
        guard !number.isEmpty, let suffix = suffixes[String(compact.dropFirst(number.count))] else { return nil }
        return number + suffix
    }
}
