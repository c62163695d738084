/// `hedge`: a second request to another endpoint when the first one takes its time; the answer that comes first is passed on.
package struct HedgePolicy: Equatable, Sendable {
    package enum Delay: Equatable, Sendable {
        /// Above zero.
        case time(Duration)
        /// What so many percent of the pool's last answers took at most; 50…99.
        case percentile(Int)
    }
    /// `after`
    package var after: Delay

    package init(after: Delay) { self.after = after }

    package static let percentiles = 50...99
}

extension WireWriter {
    mutating func write(_ policy: HedgePolicy?) {
        switch policy?.after {
        case nil: write(UInt8(0))
        case .time(let time):
            write(UInt8(1))
            write(time)
        case .percentile(let percent):
            write(UInt8(2))
            write(UInt8(percent))
        }
    }
}

extension WireReader {
    mutating func readHedgePolicy() throws(WireError) -> HedgePolicy? {
        switch try read(UInt8.self) {
        case 0: return nil
        case 1: return HedgePolicy(after: .time(try readDuration()))
        case 2:
            let percent = Int(try read(UInt8.self))
            guard HedgePolicy.percentiles ~= percent else { throw .invalid("percentile") }
            return HedgePolicy(after: .percentile(percent))
        default: throw .invalid("hedge")
        }
    }
}
