import EventLoop
import HTTPMessage
import Snapshot

enum HostSyntax {
    /// RFC 1035 §2.3.4: 253 bytes, labels of 1 to 63; letters, digits, hyphens and, as DNS carries it, `_`.
    static func isName(_ text: String) -> Bool {
        guard (1...253).contains(text.utf8.count) else { return false }
        return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                && label.utf8.allSatisfy { byte in
                    switch byte {
                    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x5f: true
                    default: false
                    }
                }
        }
    }
}

extension Form where Value == HostPattern {
    /// `shop.example`, `*.shop.example`, `10.0.0.1`, `[2001:db8::1]`; without a port.
    static var hostPattern: Form {
        .scalar(
            "a host such as \("shop.example".quoted) or \("*.shop.example".quoted)",
            hint: { text in
                if text == "*" { return "leave out `host` to match every host" }
                if text.contains("/") { return "a host is no URL: a path goes into `path`" }
                if text.dropFirst().contains("*") || text.hasPrefix("*") && !text.hasPrefix("*.") {
                    return "`*.` stands at the beginning, for one or more labels"
                }
                if text.hasSuffix(".") { return "leave out the dot at the end" }
                let host = text.prefix { $0 != ":" }
                if text.contains(":") && HostSyntax.isName(String(host)) {
                    return "a host is compared without its port: did you mean \(String(host).quoted)?"
                }
                if !text.utf8.allSatisfy({ $0 < 0x80 }) { return "write the name as DNS carries it (xn--…)" }
                return nil
            },
            parse: { text in
                if text.hasPrefix("*.") {
                    let suffix = String(text.dropFirst(2))
                    return HostSyntax.isName(suffix) ? .suffix(suffix.lowercased()) : nil
                }
                if text.hasPrefix("[") && text.hasSuffix("]") {
                    let address = IPEndpoint(host: String(text.dropFirst().dropLast()), port: 0)
                    return address?.family == .v6 ? .exact("[\(address!.host)]") : nil
                }
                return HostSyntax.isName(text) ? .exact(text.lowercased()) : nil
            })
    }
}

extension Form where Value == String {
    /// A name that operators, metrics and paths of the API carry.
    static var name: Form {
        .scalar(
            "a name of at most \(nameBytesMax) letters, digits, \"-\", \"_\" and \".\"",
            parse: { isName($0) ? $0 : nil })
    }

    static let nameBytesMax = 64

    static func isName(_ text: String) -> Bool {
        (1...nameBytesMax).contains(text.utf8.count) && text.utf8.first != 0x2e && text.utf8.first != 0x2d
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f: true
                default: false
                }
            }
    }

    /// A path as it stands in a request line (RFC 3986 §3.3): from the slash on, without a query.
    static var path: Form {
        .scalar(
            "a path such as \("/api/".quoted)",
            hint: { text in
                if text.contains("?") || text.contains("#") { return "a path ends before the query" }
                if !text.hasPrefix("/") { return "a path begins with a slash" }
                if text.utf8.count > pathBytesMax { return "at most \(pathBytesMax) bytes" }
                return "other characters are percent-encoded, as clients send them"
            },
            parse: { text in
                let isPath =
                    text.hasPrefix("/") && text.utf8.count <= pathBytesMax
                    && text.utf8.allSatisfy { byte in
                        byte > 0x20 && byte < 0x7f && byte != 0x3f && byte != 0x23
                    }
                return isPath ? text : nil
            })
    }

    private static var pathBytesMax: Int { 4096 }
}

extension Form where Value == ClosedRange<Int> {
    /// `200` or `200-399`.
    static var statusRange: Form {
        let render: @Sendable (ClosedRange<Int>) -> String = { range in
            range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
        }
        return .scalar("a status or a range from 100 to 599 such as \("200-399".quoted)", render: render) { text in
            let parts = text.split(separator: "-", omittingEmptySubsequences: false).map {
                Form<Int>.decimal(String($0))
            }
            guard (1...2).contains(parts.count), let low = parts[0], let high = parts[parts.count - 1] else {
                return nil
            }
            guard 100...599 ~= low, 100...599 ~= high, low <= high else { return nil }
            return low...high
        }
    }
}

extension Form where Value == Int {
    /// One of a few numbers.
    static func number(among numbers: [Int]) -> Form {
        let names = numbers.map(String.init)
        return .scalar(
            "one of " + names.joined(separator: ", "),
            parse: { text in names.contains(text) ? decimal(text) : nil })
    }
}

extension Form where Value == String {
    /// A media type with its parameters (RFC 9110 §8.3.1), loosely: `text/html; charset=utf-8`.
    static var mediaType: Form {
        .scalar("a media type such as \("text/html; charset=utf-8".quoted)", render: { $0 }) { text in
            let parts = text.prefix { $0 != ";" && $0 != " " }.split(separator: "/", omittingEmptySubsequences: false)
            let isType = parts.count == 2 && parts.allSatisfy { HTTPSyntax.isToken(String($0)) }
            return isType && HTTPSyntax.isFieldValue(text) && text.utf8.count <= 256 ? text : nil
        }
    }

    /// The name of a parameter in a query, without escapes.
    static var parameterName: Form {
        .scalar("a parameter name", render: { $0 }) { text in
            !text.isEmpty && text.utf8.count <= 256 && !text.utf8.contains { $0 < 0x20 || $0 == 0x7f } ? text : nil
        }
    }
}
