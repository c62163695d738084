import Balancing

/// The wire form of `outlier`.
extension WireWriter {
    mutating func write(_ outlier: OutlierSettings?) {
        write(outlier != nil)
        guard let outlier else { return }
        write(UInt32(outlier.consecutiveErrors))
        write(outlier.interval)
        write(outlier.ejection)
        write(outlier.ejectionMax)
        write(UInt8(outlier.ejectedPercentMax))
        write(UInt8(outlier.failurePercentage.threshold))
        write(UInt32(outlier.failurePercentage.endpointsMin))
        write(UInt32(outlier.failurePercentage.requestsMin))
        write(UInt32(outlier.successRate.deviationsThousandths))
        write(UInt32(outlier.successRate.endpointsMin))
        write(UInt32(outlier.successRate.requestsMin))
    }
}

extension WireReader {
    mutating func readOutlier() throws(WireError) -> OutlierSettings? {
        guard try readBool() else { return nil }
        let outlier = OutlierSettings(
            consecutiveErrors: Int(try read(UInt32.self)), interval: try readDuration(), ejection: try readDuration(),
            ejectionMax: try readDuration(), ejectedPercentMax: Int(try read(UInt8.self)),
            failurePercentage: .init(
                threshold: Int(try read(UInt8.self)), endpointsMin: Int(try read(UInt32.self)),
                requestsMin: Int(try read(UInt32.self))),
            successRate: .init(
                deviationsThousandths: Int(try read(UInt32.self)), endpointsMin: Int(try read(UInt32.self)),
                requestsMin: Int(try read(UInt32.self))))
        guard outlier.ejectedPercentMax <= 100, outlier.failurePercentage.threshold <= 100, outlier.interval > .zero,
            outlier.ejection > .zero, outlier.ejectionMax >= outlier.ejection
        else { throw .invalid("outlier") }
        return outlier
    }
}
