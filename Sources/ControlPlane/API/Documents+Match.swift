import Snapshot

/// What a route matches, as the site file says it.
extension RoutesDocument {
    package struct Match: Codable, Equatable, Sendable {
        /// Empty for every host.
        package var host: [String]
        /// Absent for every path.
        package var path: Path?
        /// Empty for every method.
        package var method: [String]
        /// By field name; all must hold.
        package var header: [String: Condition]
        /// By parameter name; all must hold.
        package var query: [String: Condition]
        /// Of a route of `tls-passthrough` listeners that asks for protocols; else absent.
        package var alpn: [String]?
    }

    /// As in the site file: a path, or `{"prefix": path}`, or `{"regex": pattern}`.
    package enum Path: Codable, Equatable, Sendable {
        case exact(String)
        case prefix(String)
        case regex(String)

        private enum Keys: String, CodingKey { case prefix, regex }

        package init(from decoder: any Decoder) throws {
            if let path = try? decoder.singleValueContainer().decode(String.self) {
                self = .exact(path)
                return
            }
            let container = try decoder.container(keyedBy: Keys.self)
            if let pattern = try container.decodeIfPresent(String.self, forKey: .regex) {
                self = .regex(pattern)
            } else {
                self = .prefix(try container.decode(String.self, forKey: .prefix))
            }
        }

        package func encode(to encoder: any Encoder) throws {
            switch self {
            case .exact(let path):
                var container = encoder.singleValueContainer()
                try container.encode(path)
            case .prefix(let path):
                var container = encoder.container(keyedBy: Keys.self)
                try container.encode(path, forKey: .prefix)
            case .regex(let pattern):
                var container = encoder.container(keyedBy: Keys.self)
                try container.encode(pattern, forKey: .regex)
            }
        }
    }

    /// As in the site file: a value, or a map of what is asked of it.
    package enum Condition: Codable, Equatable, Sendable {
        case exact(String)
        case map(prefix: String?, regex: String?, present: Bool?)

        private enum Keys: String, CodingKey { case prefix, regex, present }

        package init(from decoder: any Decoder) throws {
            if let value = try? decoder.singleValueContainer().decode(String.self) {
                self = .exact(value)
                return
            }
            let container = try decoder.container(keyedBy: Keys.self)
            self = .map(
                prefix: try container.decodeIfPresent(String.self, forKey: .prefix),
                regex: try container.decodeIfPresent(String.self, forKey: .regex),
                present: try container.decodeIfPresent(Bool.self, forKey: .present))
        }

        package func encode(to encoder: any Encoder) throws {
            switch self {
            case .exact(let value):
                var container = encoder.singleValueContainer()
                try container.encode(value)
            case .map(let prefix, let regex, let present):
                var container = encoder.container(keyedBy: Keys.self)
                try container.encodeIfPresent(prefix, forKey: .prefix)
                try container.encodeIfPresent(regex, forKey: .regex)
                try container.encodeIfPresent(present, forKey: .present)
            }
        }
    }
}

extension RoutesDocument.Match {
    init(_ match: RouteMatch) {
        self.init(
            host: match.hosts.map { pattern in
                switch pattern {
                case .exact(let name): name
                case .suffix(let name): "*.\(name)"
                }
            },
            path: match.path.map { pattern in
                switch pattern {
                case .exact(let path): .exact(path)
                case .prefix(let path): .prefix(path)
                case .regex(let text): .regex(text)
                }
            }, method: match.methods, header: RoutesDocument.Match.conditions(match.header),
            query: RoutesDocument.Match.conditions(match.query),
            alpn: match.protocols.isEmpty ? nil : match.protocols)
    }

    private static func conditions(_ conditions: [ValueCondition]) -> [String: RoutesDocument.Condition] {
        Dictionary(grouping: conditions, by: \.name).mapValues { conditions in
            var (prefix, regex, present): (String?, String?, Bool?) = (nil, nil, nil)
            for condition in conditions {
                switch condition.pattern {
                case .exact(let value): return .exact(value)
                case .prefix(let text): prefix = text
                case .regex(let text): regex = text
                case .present: present = true
                case .absent: present = false
                }
            }
            return .map(prefix: prefix, regex: regex, present: present)
        }
    }

    /// Method, header, query and ALPN in one line, in the words of the site file; nil when the route asks for none of them.
    package var conditionsText: String? {
        var parts: [String] = []
        if !method.isEmpty { parts.append(method.joined(separator: "|")) }
        for (subject, conditions) in [("header", header), ("query", query)] {
            for (name, condition) in conditions.sorted(by: { $0.key < $1.key }) {
                parts.append("\(subject) \(name) \(condition.text)")
            }
        }
        if let alpn { parts.append("alpn \(alpn.joined(separator: "|"))") }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }
}

extension RoutesDocument.Condition {
    /// `= value`, `prefix v regex w`, `present`, `absent`.
    fileprivate var text: String {
        switch self {
        case .exact(let value): return "= \(value)"
        case .map(let prefix, let regex, let present):
            var words: [String] = []
            if let prefix { words.append("prefix \(prefix)") }
            if let regex { words.append("regex \(regex)") }
            if words.isEmpty || present == false { words.append(present == false ? "absent" : "present") }
            return words.joined(separator: " ")
        }
    }
}
