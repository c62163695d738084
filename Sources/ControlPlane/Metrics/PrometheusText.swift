import NodeLink

/// Samples in the Prometheus text exposition format, version 0.0.4.
enum PrometheusText {
    static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// Families in the order of `MetricFamily.known`, then the others by name; samples by their labels.
    static func render(_ samples: [Sample]) -> String {
        var families = Dictionary(grouping: samples) { MetricFamily.family(of: $0.name) }
        var out = ""
        for family in MetricFamily.known {
            if let samples = families.removeValue(forKey: family.name) { write(family, samples, to: &out) }
        }
        for (name, samples) in families.sorted(by: { $0.key < $1.key }) {
            let kind: MetricFamily.Kind = name.hasSuffix("_total") ? .counter : .untyped
            write(MetricFamily(name, kind, "Reported by nodes."), samples, to: &out)
        }
        return out
    }

    private static func write(_ family: MetricFamily, _ samples: [Sample], to out: inout String) {
        out +=
            "# HELP \(family.name) \(escaped(family.help, quotes: false))\n# TYPE \(family.name) \(family.kind.rawValue)\n"
        for sample in samples.sorted(by: precedes) {
            out += sample.name
            if !sample.labels.isEmpty {
                out +=
                    "{"
                    + sample.labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }.joined(separator: ",")
                out += "}"
            }
            out += " \(text(of: sample.value))\n"
        }
    }

    /// Buckets of one histogram stand together, in the order of their bounds, before its sum and count.
    private static func precedes(_ left: Sample, _ right: Sample) -> Bool {
        let (a, b) = (sortKey(left), sortKey(right))
        if a.labels != b.labels { return a.labels.lexicographicallyPrecedes(b.labels) }
        if a.name != b.name { return a.name < b.name }
        return a.bound < b.bound
    }

    private static func sortKey(_ sample: Sample) -> (labels: [String], name: String, bound: Double) {
        let others = sample.labels.filter { $0.name != "le" }.flatMap { [$0.name, $0.value] }
        let bound = sample.labels.first { $0.name == "le" }.map { Double($0.value) ?? .infinity } ?? 0
        return (others, sample.name, bound)
    }

    /// A backslash, a line feed and, in a label's value, a double quote are escaped.
    static func escaped(_ text: String, quotes: Bool) -> String {
        var out = ""
        for character in text.unicodeScalars {
            switch character {
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\"" where quotes: out += "\\\""
            default: out.unicodeScalars.append(character)
            }
        }
        return out
    }

    static func text(of value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if value == value.rounded(), abs(value) < 1e15 { return String(Int64(value)) }
        return "\(value)"
    }
}
