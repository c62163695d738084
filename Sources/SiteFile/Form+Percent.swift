extension Form where Value == Int {
    /// `20%`: a whole number of percent.
    static func percent(_ range: ClosedRange<Int>) -> Form {
        .scalar(
            "a percentage from \(range.lowerBound)% to \(range.upperBound)%", render: { "\($0)%" },
            hint: { text in
                guard let number = decimal(text), range ~= number else { return nil }
                return "a percentage has its sign, as in \("\(number)%".quoted)"
            },
            parse: { text in
                guard text.hasSuffix("%"), let number = decimal(String(text.dropLast())), range ~= number else {
                    return nil
                }
                return number
            })
    }

    /// `1.9`: a number with up to three decimals, in thousandths.
    static func thousandths(_ range: ClosedRange<Int>) -> Form {
        let (low, high) = (render(thousandths: range.lowerBound), render(thousandths: range.upperBound))
        return .scalar("a number from \(low) to \(high) with up to three decimals", render: { render(thousandths: $0) })
        { text in
            let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
            guard let whole = decimal(String(parts[0])), whole >= 0, whole <= range.upperBound / 1000 else {
                return nil
            }
            var decimals = 0
            if parts.count == 2 {
                guard (1...3).contains(parts[1].count), parts[1].utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else {
                    return nil
                }
                decimals = Int(parts[1] + String(repeating: "0", count: 3 - parts[1].count)) ?? 0
            }
            let value = whole * 1000 + decimals
            return range ~= value ? value : nil
        }
    }

    private static func render(thousandths value: Int) -> String {
        var decimals = String(String(value % 1000 + 1000).dropFirst())
        while decimals.hasSuffix("0") { decimals.removeLast() }
        return decimals.isEmpty ? "\(value / 1000)" : "\(value / 1000).\(decimals)"
    }
}
