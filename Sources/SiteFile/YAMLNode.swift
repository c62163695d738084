/// A value of the file with its place: what the rest of the module reads, free of the YAML library.
struct YAMLNode: Sendable {
    /// Line and column from 1; the column counts Unicode scalars.
    struct Mark: Hashable, Sendable {
        var line: Int
        var column: Int
    }

    enum Content: Sendable {
        /// `isPlain`: written without quotes, so that `5`, `true` and `~` mean a number, a truth value and nothing.
        case scalar(String, isPlain: Bool)
        case list([YAMLNode])
        case map([Entry])
    }

    struct Entry: Sendable {
        var key: String
        var keyMark: Mark
        var value: YAMLNode
        /// Came in by `<<: *anchor`; a key stated in the map itself wins.
        var isMerged = false
    }

    var content: Content
    var mark: Mark
}

extension YAMLNode {
    /// `~`, `null` or nothing at all.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// Text of a scalar, quoted or not; nil for lists, maps and nothing.
    var text: String? {
        guard case .scalar(let text, _) = content, !isNull else { return nil }
        return text
    }

    /// `true` or `false` without quotes; the other words of YAML 1.1 (`yes`, `on`) are plain text.
    var truth: Bool? {
        guard case .scalar(let text, isPlain: true) = content else { return nil }
        switch text {
        case "true", "True", "TRUE": return true
        case "false", "False", "FALSE": return false
        default: return nil
        }
    }

    /// How a message names the value: `a list`, `nothing`, `5`, `"text"`.
    var phrase: String {
        switch content {
        case .list: return "a list"
        case .map: return "a map"
        case .scalar where isNull: return "nothing"
        case .scalar(let text, let isPlain):
            let isNumber = isPlain && Form<Int>.decimal(text) != nil
            return isNumber || truth != nil ? text : text.quoted
        }
    }
}

extension String {
    /// Longest text repeated in a message; the location shows the rest.
    private static let quotedScalarsMax = 80

    /// In double quotes, with what a terminal would act on escaped.
    var quoted: String {
        var out = "\""
        for (index, scalar) in unicodeScalars.enumerated() {
            if index == String.quotedScalarsMax {
                out += "…"
                break
            }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
                out += scalar.escaped(asASCII: true)
            default:
                if scalar == "\"" || scalar == "\\" { out += "\\" }
                out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
