package import Foundation

/// A JSON value, for looking at what the API and `--json` answer.
package enum JSON: Decodable, Equatable, Sendable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    /// - Throws: `TestKitError` with the text when it is not JSON.
    package static func parse(_ bytes: Data) throws -> JSON {
        do {
            return try JSONDecoder().decode(JSON.self, from: bytes)
        } catch {
            throw TestKitError("not JSON: \(String(decoding: bytes.prefix(500), as: UTF8.self).debugDescription)")
        }
    }

    /// A member of an object; nil when absent, or when this is no object.
    package subscript(key: String) -> JSON? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    /// The elements of an array; empty for anything else.
    package var elements: [JSON] {
        if case .array(let elements) = self { elements } else { [] }
    }

    /// The names of an object's members, sorted.
    package var keys: [String] {
        if case .object(let members) = self { members.keys.sorted() } else { [] }
    }

    package var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    package var integer: Int? {
        if case .number(let number) = self { Int(exactly: number) } else { nil }
    }

    package var number: Double? {
        if case .number(let number) = self { number } else { nil }
    }

    package var isTrue: Bool { self == .bool(true) }
}
