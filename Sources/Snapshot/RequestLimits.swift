/// `requests`: how many requests a proxy node has under way for a pool at a time. One more is answered with 503.
package struct RequestLimits: Equatable, Sendable {
    /// `adaptive`: a limit that each worker finds out from how long answers take.
    package struct Adaptive: Equatable, Sendable {
        /// `min`: the limit never falls below; 1…100,000.
        package var countMin: Int
        /// `tolerance`: how long answers may take before the limit shrinks, in percent of the long run; 100…1,000.
        package var tolerancePercent: Int

        package init(countMin: Int = 4, tolerancePercent: Int = 150) {
            self.countMin = countMin
            self.tolerancePercent = tolerancePercent
        }

        package static let minRange = 1...100_000
        package static let toleranceRange = 100...1000
    }

    /// `max`: of one node; 1…1,000,000, nil for no bound.
    package var countMax: Int?
    package var adaptive: Adaptive?

    package init(countMax: Int? = nil, adaptive: Adaptive? = nil) {
        self.countMax = countMax
        self.adaptive = adaptive
    }
}

extension WireWriter {
    /// 0 stands for no bound.
    mutating func write(_ limits: RequestLimits) {
        write(UInt32(limits.countMax ?? 0))
        write(limits.adaptive != nil)
        guard let adaptive = limits.adaptive else { return }
        write(UInt32(adaptive.countMin))
        write(UInt16(adaptive.tolerancePercent))
    }
}

extension WireReader {
    mutating func readRequestLimits() throws(WireError) -> RequestLimits {
        let countMax = Int(try read(UInt32.self))
        var limits = RequestLimits(countMax: countMax == 0 ? nil : countMax)
        guard try readBool() else { return limits }
        let adaptive = RequestLimits.Adaptive(
            countMin: Int(try read(UInt32.self)), tolerancePercent: Int(try read(UInt16.self)))
        guard RequestLimits.Adaptive.minRange ~= adaptive.countMin,
            RequestLimits.Adaptive.toleranceRange ~= adaptive.tolerancePercent
        else { throw .invalid("adaptive limit") }
        limits.adaptive = adaptive
        return limits
    }
}
