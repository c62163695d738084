/// The text of a file before YAML is read from it: bounds, encoding, and places in it.
struct SourceText {
    /// About 40,000 routes; a larger file is a mistake more often than a site.
    static let bytesMax = 4 * 1024 * 1024

    /// Without a byte order mark.
    private(set) var scalars: [Unicode.Scalar]

    init(_ text: String) {
        scalars = Array(text.unicodeScalars)
        if scalars.first == "\u{feff}" { scalars.removeFirst() }
    }

    /// UTF-8 that came from a file or a request.
    ///
    /// - Returns: nil after an error was reported: too large, or no UTF-8 (at its first wrong byte).
    static func decode(_ bytes: [UInt8], _ diagnostics: DiagnosticList) -> String? {
        guard checkSize(bytes.count, diagnostics) else { return nil }
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        var before = SourceText("")
        var decoder = UTF8()
        var iterator = bytes.makeIterator()
        while case .scalarValue(let scalar) = decoder.decode(&iterator) { before.scalars.append(scalar) }
        diagnostics.error(
            before.endMark, "the file is not UTF-8 text", hint: "save it as UTF-8")
        return nil
    }

    static func checkSize(_ bytesCount: Int, _ diagnostics: DiagnosticList) -> Bool {
        guard bytesCount > bytesMax else { return true }
        diagnostics.error(
            .init(line: 1, column: 1),
            "the file has \(bytesCount) bytes: more than \(Form<Int>.render(bytes: bytesMax))")
        return false
    }

    /// Reports every character that YAML 1.2 §5.1 does not allow in a file.
    ///
    /// - Returns: Whether there was none.
    func checkCharacters(_ diagnostics: DiagnosticList) -> Bool {
        var isClean = true
        var mark = YAMLNode.Mark(line: 1, column: 1)
        for (index, scalar) in scalars.enumerated() {
            switch scalar.value {
            case 0x09, 0x0a, 0x0d, 0x20...0x7e, 0x85, 0xa0...0xfefe, 0xff00...0xfffd, 0x10000...: break
            default:
                isClean = false
                let name = "U+" + String(scalar.value, radix: 16, uppercase: true).leftPadded(to: 4)
                diagnostics.error(mark, "the character \(name) is not allowed in a file", hint: "remove it")
            }
            advance(&mark, past: index)
        }
        return isClean
    }

    /// Index of the character at a place; nil when there is none.
    func index(of target: YAMLNode.Mark) -> Int? {
        var mark = YAMLNode.Mark(line: 1, column: 1)
        for index in scalars.indices {
            if mark == target { return index }
            advance(&mark, past: index)
        }
        return nil
    }

    mutating func replace(_ index: Int, with scalar: Unicode.Scalar) { scalars[index] = scalar }

    var text: String {
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        return text
    }

    private var endMark: YAMLNode.Mark {
        var mark = YAMLNode.Mark(line: 1, column: 1)
        for index in scalars.indices { advance(&mark, past: index) }
        return mark
    }

    /// Line breaks as the YAML library counts them (YAML 1.1 §4.1.4).
    private func advance(_ mark: inout YAMLNode.Mark, past index: Int) {
        switch scalars[index] {
        case "\r" where index + 1 < scalars.count && scalars[index + 1] == "\n": mark.column += 1
        case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}":
            mark.line += 1
            mark.column = 1
        default: mark.column += 1
        }
    }
}

extension String {
    func leftPadded(to width: Int) -> String { String(repeating: "0", count: Swift.max(0, width - count)) + self }
}
