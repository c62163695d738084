import EventLoop

/// Deadlines. A connection keeps its own; the wheel is touched only when it would fire too late.
extension ProxyWorker {
    mutating func setDeadline(_ client: ClientPointer, _ deadline: UInt64) {
        let deadline = unsafe min(deadline, client.pointee.exchangeDeadline)
        unsafe client.pointee.deadline = deadline
        guard unsafe client.pointee.timer == 0 || deadline < client.pointee.timer else { return }
        unsafe client.pointee.timer = deadline
        unsafe wheel.set(client.pointee.slot * Timer.kinds + Timer.client, at: deadline)
    }

    mutating func setDeadline(_ connection: ConnectionPointer, _ deadline: UInt64) {
        unsafe connection.pointee.deadline = deadline
        guard unsafe connection.pointee.timer == 0 || deadline < connection.pointee.timer else { return }
        unsafe connection.pointee.timer = deadline
        unsafe wheel.set(connection.pointee.slot * Timer.kinds + Timer.endpointConnection, at: deadline)
    }

    mutating func fireTimers() {
        while let id = wheel.popExpired(now: now) {
            let number = id / Timer.kinds
            switch id % Timer.kinds {
            case Timer.client: unsafe clientTimer(clients[number])
            case Timer.endpointConnection: unsafe connectionTimer(connections[number])
            case Timer.suspicion:
                unsafe endpoints[Int(number)].isSuspected = false
                endpointChanged(number)
            default:
                switch id {
                case Timer.drainGraceID: closeIdleClients()
                case Timer.foreignClientsID: cutClients(foreignOnly: true)
                default: endListenerRest()
                }
            }
        }
    }

    private mutating func clientTimer(_ client: ClientPointer) {
        unsafe client.pointee.timer = 0
        if unsafe client.pointee.deadline > now {
            unsafe setDeadline(client, client.pointee.deadline)
            return
        }
        switch unsafe client.pointee.phase {
        case .idle, .proxyHeader, .lingering: unsafe closeClient(client)
        case .session: unsafe sessionTimer(client)
        case .handshake:
            statistics.handshakes.timeouts &+= 1
            unsafe closeClient(client)
        case .head: unsafe answerAndEnd(client, status: 408)
        case .exchange:
            let exchange = unsafe exchanges[client.pointee.exchange]
            if unsafe now >= client.pointee.exchangeDeadline {
                unsafe requestTimedOut(exchange)
            } else {
                unsafe exchangeTimedOut(exchange)
            }
        }
    }

    private mutating func connectionTimer(_ connection: ConnectionPointer) {
        unsafe connection.pointee.timer = 0
        let phase = unsafe connection.pointee.phase
        guard phase == .idle || phase == .mirroring || phase == .session else { return }
        if unsafe connection.pointee.deadline > now {
            unsafe setDeadline(connection, connection.pointee.deadline)
        } else if phase == .mirroring {
            unsafe mirrorTimedOut(connection)
        } else if phase == .session {
            unsafe sessionTimer(connection)
        } else {
            unsafe closeConnection(connection)
        }
    }
}
