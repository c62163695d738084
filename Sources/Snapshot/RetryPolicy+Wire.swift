extension WireWriter {
    mutating func write(_ policy: RetryPolicy) {
        write(UInt8(policy.attemptsMax))
        write(list: policy.conditions) { out, condition in
            switch condition {
            case .connectFailure: out.write(UInt16(0))
            case .reset: out.write(UInt16(1))
            case .status(let status): out.write(UInt16(status))
            }
        }
        write(policy.perTryTimeout != nil)
        if let timeout = policy.perTryTimeout { write(timeout) }
        write(UInt8(policy.budgetPercent))
    }
}

extension WireReader {
    mutating func readRetryPolicy() throws(WireError) -> RetryPolicy {
        let policy = RetryPolicy(
            attemptsMax: Int(try read(UInt8.self)),
            conditions: try readList { (reader) throws(WireError) -> RetryPolicy.Condition in
                switch try reader.read(UInt16.self) {
                case 0: .connectFailure
                case 1: .reset
                case let status where (400...599).contains(status): .status(Int(status))
                default: throw .invalid("condition of a retry")
                }
            },
            perTryTimeout: try readBool() ? try readDuration() : nil, budgetPercent: Int(try read(UInt8.self)))
        guard RetryPolicy.attemptsRange ~= policy.attemptsMax else { throw .invalid("attempts") }
        guard policy.budgetPercent <= 100 else { throw .invalid("retry budget") }
        return policy
    }
}
