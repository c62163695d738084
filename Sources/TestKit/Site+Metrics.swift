import Foundation

extension Site {
    /// The sum of the samples with that name and at least these labels, as `/metrics` gives them now.
    package func metric(_ name: String, _ labels: [String: String] = [:]) throws -> Double {
        let text = try control.request("GET", "/metrics").text
        return text.split(separator: "\n").reduce(0) { sum, line in
            guard line.hasPrefix(name + "{") || line.hasPrefix(name + " "),
                labels.allSatisfy({ line.contains("\($0.key)=\"\($0.value)\"") }),
                let value = line.split(separator: " ").last.flatMap({ Double($0) })
            else { return sum }
            return sum + value
        }
    }
}
