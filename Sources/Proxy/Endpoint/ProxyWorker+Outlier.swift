import EventLoop
import NodeAgent

/// Each attempt's outcome, for pools with `outlier`.
extension ProxyWorker {
    /// An endpoint has answered a request, or failed it. One branch where the pool doesn't detect outliers.
    mutating func noteOutcome(of number: UInt32, isError: Bool) {
        guard let counters = unsafe endpoints[Int(number)].outlier else { return }
        guard isError else {
            unsafe counters.pointee.succeeded(worker: index)
            return
        }
        let streak = unsafe counters.pointee.failed(worker: index)
        // Once: the agent ends the streak when it has decided.
        if unsafe endpoints[Int(number)].consecutiveErrors == streak { agent.post(.failedInARow(endpoint: number)) }
    }

    /// An attempt has failed before any byte of a response came.
    mutating func noteOutcome(of number: UInt32, _ failure: AttemptFailure, onReusedConnection wasReused: Bool) {
        // An idle connection that broke says nothing about the endpoint: it may have been its time to close.
        switch failure {
        case .broken where wasReused, .unsent where wasReused: return
        default: break
        }
        noteOutcome(of: number, isError: true)
    }

    /// An endpoint is ejected, or comes back.
    mutating func setEjected(_ number: UInt32, _ isEjected: Bool) {
        guard Int(number) < endpointCapacity, unsafe endpoints[Int(number)].isEjected != isEjected else { return }
        unsafe endpoints[Int(number)].isEjected = isEjected
        endpointChanged(number)
    }

    /// Takes over what the site says of outliers.
    mutating func adoptOutliers(_ compiled: CompiledSite) {
        for number in 0..<endpointCapacity {
            let outlier = number < compiled.outliers.count ? compiled.outliers[number] : nil
            unsafe endpoints[number].outlier = unsafe outlier?.counters
            unsafe endpoints[number].consecutiveErrors = outlier?.consecutiveErrors ?? 0
        }
    }
}
