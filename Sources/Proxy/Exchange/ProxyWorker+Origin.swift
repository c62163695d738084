import EventLoop
import HTTP1

/// Who asks, and what rules may say of it.
extension ProxyWorker {
    /// `fields` holds the lines of the head, which is at the front of the client's input.
    func origin(of client: ClientPointer, _ head: RequestHead, _ tables: UnsafePointer<SiteTables>) -> RequestOrigin {
        let peer = unsafe client.pointee.address
        let isSecure = unsafe client.pointee.tls != nil
        guard unsafe tables.pointee.trustedCount > 0 && tables.pointee.trusts(peer) else {
            return RequestOrigin(client: peer, isSecure: isSecure)
        }
        let bytes = unsafe Span(_unsafeStart: UnsafePointer(client.pointee.input.bytes), count: head.length)
        return RequestOrigin(peer: peer, bytes, fields, isSecure: isSecure) { unsafe tables.pointee.trusts($0) }
    }

    /// `mutating` for what it costs: otherwise it gets a copy of the whole worker.
    mutating func facts(
        of exchange: ExchangePointer, _ client: ClientPointer, _ route: UnsafeMutablePointer<CompiledRoute>
    ) -> RequestFacts {
        let tables = unsafe exchange.pointee.site.pointee.tables
        return unsafe RequestFacts(
            peer: client.pointee.address,
            endpoint: exchange.pointee.head.namesHost || exchange.pointee.endpoint == EndpointConnection.none
                ? nil : address(of: exchange.pointee.endpoint),
            origin: exchange.pointee.origin, id: exchange.pointee.id,
            maxForwards: MaxForwards.value(
                of: exchange.pointee.head, UnsafePointer(client.pointee.input.bytes), fields
            ).map { $0 - 1 },
            route: route.pointee.name, listener: tables.pointee.listeners[Int(exchange.pointee.listener)].name,
            statesForwarded: tables.pointee.statesForwarded, tls: client.pointee.tls,
            isHTTP2: client.pointee.stream != ClientStream.none, isEarly: isEarly(client))
    }

    func view(of exchange: ExchangePointer) -> RequestView {
        let tables = unsafe exchange.pointee.site.pointee.tables
        let client = unsafe clients[exchange.pointee.client]
        var view = unsafe RequestView(
            exchange.pointee.head, UnsafePointer(client.pointee.input.bytes),
            exchange.pointee.origin, id: exchange.pointee.id, route: route(of: exchange).pointee.name,
            listener: tables.pointee.listeners[Int(exchange.pointee.listener)].name)
        unsafe view.tls = client.pointee.tls
        return view
    }

    /// Valid as long as the request's head is at the front of the client's input.
    func answerID(of exchange: ExchangePointer) -> AnswerID {
        let origin = unsafe exchange.pointee.origin
        guard origin.idLength > 0 else { return unsafe AnswerID(exchange.pointee.id) }
        let received = unsafe UnsafePointer(clients[exchange.pointee.client].pointee.input.bytes)
        return unsafe AnswerID(
            exchange.pointee.id, given: Bytes(base: received + Int(origin.idStart), count: Int(origin.idLength)))
    }
}
