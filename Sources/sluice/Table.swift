/// Rows under headings, in columns as wide as they must be.
struct Table {
    enum Alignment { case left, right }

    private let columns: [(heading: String, alignment: Alignment)]
    private var rows: [[String]] = []

    init(_ columns: (String, Alignment)...) { self.columns = columns.map { (heading: $0.0, alignment: $0.1) } }

    mutating func add(_ cells: String...) {
        precondition(cells.count == columns.count, "a row of \(cells.count) cells in \(columns.count) columns")
        rows.append(cells.map { $0.isEmpty ? "-" : $0 })
    }

    /// Without trailing spaces; the last line has no line feed.
    var text: String {
        let all = [columns.map(\.heading)] + rows
        let widths = columns.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            let cells = row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return columns[column].alignment == .left ? row[column] + padding : padding + row[column]
            }
            let line = cells.joined(separator: "  ")
            return String(line[...(line.lastIndex { $0 != " " } ?? line.startIndex)])
        }.joined(separator: "\n")
    }
}

/// `3d 4h`, `2h 5m`, `6m 7s`, `8s`.
func readableUptime(_ seconds: Int64) -> String {
    switch seconds {
    case ..<60: "\(seconds)s"
    case ..<3600: "\(seconds / 60)m \(seconds % 60)s"
    case ..<86400: "\(seconds / 3600)h \(seconds / 60 % 60)m"
    default: "\(seconds / 86400)d \(seconds / 3600 % 24)h"
    }
}
