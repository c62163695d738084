import EventLoop
import Glibc
import NodeLink
import Telemetry

/// What this host ran out of when a connection to an endpoint was to be opened. It says nothing of the endpoint, and
/// another one would not help.
enum Shortage {
    /// `EMFILE`, `ENFILE`: raise `RLIMIT_NOFILE`, or bound connections.
    case descriptors
    /// `ENOBUFS`, `ENOMEM`, `ENOSPC` of the epoll set.
    case memory

    /// nil for what the endpoint, or the way to it, has to do with.
    init?(_ code: CInt) {
        switch code {
        case EMFILE, ENFILE: self = .descriptors
        case ENOBUFS, ENOMEM, ENOSPC: self = .memory
        default: return nil
        }
    }
}

extension ProxyWorker {
    /// Without a descriptor left, an idle connection is given up for the one that is needed now.
    mutating func openSocket(to address: SocketAddress) throws(SocketError) -> Socket.ConnectOutcome {
        do throws(SocketError) { return try Socket.connect(to: address) } catch {
            guard Shortage(error.code) == .descriptors, closeAnyIdleConnection() else { throw error }
        }
        return try Socket.connect(to: address)
    }

    /// - Returns: false when no connection is idle.
    private mutating func closeAnyIdleConnection() -> Bool {
        for number in 0..<endpointCapacity where unsafe endpoints[number].idle != EndpointConnection.none {
            unsafe closeConnection(connections[endpoints[number].idle])
            return true
        }
        return false
    }

    mutating func count(_ shortage: Shortage, _ error: SocketError) {
        switch shortage {
        case .descriptors: statistics.shortages.descriptors &+= 1
        case .memory: statistics.shortages.memory &+= 1
        }
        guard refusalLog.allows(now) else { return }
        Log.error("proxy", "cannot open a connection to an endpoint: \(error)")
    }

    func appendShortages(to samples: inout [Sample]) {
        for (reason, value) in [
            ("descriptors", statistics.shortages.descriptors), ("memory", statistics.shortages.memory),
        ] {
            samples.append(Sample("sluice_connect_shortages_total", [.init("reason", reason)], Double(value)))
        }
    }
}
