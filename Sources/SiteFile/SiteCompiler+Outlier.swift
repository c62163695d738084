import Balancing
import Snapshot

extension SiteCompiler {
    func compile(outlier reader: SectionReader) -> OutlierSettings {
        var outlier = OutlierSettings()
        reader.read(OutlierKeys.consecutiveErrors, into: &outlier.consecutiveErrors)
        reader.read(OutlierKeys.interval, into: &outlier.interval)
        reader.read(OutlierKeys.ejection, into: &outlier.ejection)
        if let longest = reader.read(OutlierKeys.ejectionMax) {
            outlier.ejectionMax = longest
            if longest < outlier.ejection {
                diagnostics.error(
                    reader[node: OutlierKeys.ejectionMax]?.mark ?? reader.mark,
                    "\"max_ejection\" (\(Form<Duration>.render(longest))) is shorter than \"ejection\" (\(Form<Duration>.render(outlier.ejection)))",
                    hint: "the first ejection lasts `ejection`")
            }
        } else {
            outlier.ejectionMax = max(outlier.ejectionMax, outlier.ejection)
        }
        reader.read(OutlierKeys.maxEjected, into: &outlier.ejectedPercentMax)
        if let rule = reader.open(OutlierKeys.failurePercentage) {
            rule.read(FailurePercentageKeys.threshold, into: &outlier.failurePercentage.threshold)
            rule.read(FailurePercentageKeys.minimumEndpoints, into: &outlier.failurePercentage.endpointsMin)
            rule.read(FailurePercentageKeys.minimumRequests, into: &outlier.failurePercentage.requestsMin)
        }
        if let rule = reader.open(OutlierKeys.successRate) {
            rule.read(SuccessRateKeys.deviations, into: &outlier.successRate.deviationsThousandths)
            rule.read(SuccessRateKeys.minimumEndpoints, into: &outlier.successRate.endpointsMin)
            rule.read(SuccessRateKeys.minimumRequests, into: &outlier.successRate.requestsMin)
        }
        return outlier
    }

    /// Relayed connections are the forwarder's, which knows no answers.
    func warnOfOutliersOfRelays(_ snapshot: Snapshot) {
        for relay in relays where snapshot.pools[relay.pool].outlier != nil {
            diagnostics.warning(
                relay.mark,
                "\(PoolKeys.outlier.name.quoted) of the pool \(snapshot.pools[relay.pool].name.quoted) does nothing for \(relay.user)",
                hint: "it judges requests of http listeners")
        }
    }
}
