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
}
