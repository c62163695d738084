import CLinux
import EventLoop
import Glibc
import NodeAgent
import Snapshot

/// What the agent's thread asks for. Nothing here is on a connection's path.
extension ForwarderWorker {
    mutating func takeCommands() {
        for command in mailbox.takeAll() {
            switch command {
            case .serve(let settings): serve(settings)
            case .route(let table, let drainingEndpoints, let acknowledge):
                endpoints.setDraining(drainingEndpoints)
                adopt(table)
                if acknowledge { agent.post(.membershipApplied(version: table.version, worker: index)) }
            case .health(let key, let isUp): endpoints.setHealth(of: key, isUp: isUp)
            case .report(let id):
                let samples = statistics.samples(endpoints: endpoints, connectionCount: connectionCount)
                agent.post(.report(id: id, worker: index, samples: samples))
            case .drain:
                isDraining = true
                hasReportedDrained = false
                assign([])
            case .resume(let assignments):
                isDraining = false
                assign(assignments)
            case .stop: isStopping = true
            }
        }
    }

    private mutating func serve(_ settings: WorkerSettings) {
        hashesSourceOnly = settings.hash == .source
        endpoints.update(settings.pools)
        assign(settings.listeners)
    }

    /// Takes new listening sockets, keeps those it has, closes the others once their queues are empty.
    private mutating func assign(_ assignments: [ListenerAssignment]) {
        for slot in listenerSlots {
            let id = unsafe listeners[slot].pointee.id
            if !assignments.contains(where: { $0.id == id }) { closeListener(slot) }
        }
        for assignment in assignments {
            let known = listenerSlots.first { unsafe listeners[$0].pointee.id == assignment.id }
            var listener = WorkerListener(assignment, counters: statistics.index(ofListener: assignment.name))
            adopt(assignment.bounds, ofListener: listener.counters)
            if let pool = assignment.pool { listener.pool = endpoints.index(ofPool: pool) }
            if let hellos = assignment.hellos {
                listener.pool = WaitingConnection.poolByHello
                adopt(hellos, ofListener: listener.counters)
            }
            // A queue that the kernel holds back for a client that speaks first would stall one that listens first.
            try? Socket.set(
                listener.descriptor, CInt(IPPROTO_TCP), TCP_DEFER_ACCEPT, assignment.deferAccept ? 1 : 0)
            if let known {
                listener.isPaused = unsafe listeners[known].pointee.isPaused
                unsafe listeners[known].pointee = listener
            } else if let slot = listeners.insert(listener) {
                listenerSlots.append(slot)
                watchListener(slot)
            }
        }
        yieldIfHandingOver()
    }

    /// Takes over where hellos lead; clients whose hello is on its way follow at once.
    private mutating func adopt(_ table: HelloTable, ofListener counters: Int32) {
        while hellosByListener.count <= Int(counters) { hellosByListener.append(nil) }
        hellosByListener[Int(counters)] = HelloPlaces(
            table: table,
            places: table.routes.map { route in
                HelloPlaces.Place(
                    counters: statistics.index(ofRoute: route.name, listener: counters),
                    pools: route.pools.map { endpoints.index(ofPool: $0) }, weights: route.weights)
            })
    }

    /// After `.stop`: what is still open is closed; relayed connections end with it.
    mutating func closeEverything() {
        closeHellos()
        for slot in listenerSlots { close(unsafe listeners[slot].pointee.descriptor) }
        for connection in parked { drop(connection) }
        for slot in linkSlots.values {
            let link = unsafe links[slot]
            while unsafe link.pointee.count > 0 { drop(unsafe link.pointee.removeFirst()) }
            if unsafe link.pointee.descriptor >= 0 { close(unsafe link.pointee.descriptor) }
            unsafe link.pointee.destroy()
        }
        // Timers name every relayed connection.
        while let slot = timers.popExpired(now: UInt64.max >> 1) { unsafe closeRelay(slot, connections[slot]) }
    }
}
