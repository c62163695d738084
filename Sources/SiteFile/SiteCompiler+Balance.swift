import Balancing
import Snapshot

extension SiteCompiler {
    /// How requests are spread over a pool, whose endpoints are known.
    func compile(balance reader: SectionReader, _ health: SectionReader?, into pool: inout Pool) {
        reader.read(PoolKeys.balance, into: &pool.balance)
        reader.read(BalanceKeys.panic, into: &pool.panicPercent)
        pool.subsetCount = reader.read(BalanceKeys.subset)
        if let slowStart = health?.read(BalanceKeys.slowStart) { pool.slowStart = slowStart }
        pool.sticky = reader.open(BalanceKeys.sticky).flatMap(compile(sticky:))
        if let hash = reader.open(BalanceKeys.hash) { hash.read(HashKeys.by, into: &pool.hashKey) }
        checkHash(reader, health, pool)
        if !pool.endpoints.isEmpty, pool.endpoints.allSatisfy(\.isBackup) {
            diagnostics.warning(
                reader.mark(of: PoolKeys.endpoints),
                "every endpoint of the pool \(pool.name.quoted) is a backup", hint: "leave out `backup`")
        }
        if let subset = pool.subsetCount, !pool.endpoints.isEmpty, subset >= pool.endpoints.count {
            diagnostics.warning(
                reader.mark(of: BalanceKeys.subset),
                "\"subset\" (\(subset)) has no effect with \(pool.endpoints.count) endpoints",
                hint: "it is for pools with many more endpoints than that")
        }
    }

    private func compile(sticky reader: SectionReader) -> SessionCookie? {
        guard let name = reader.require(StickyKeys.cookie, hint: "as in `sticky: {cookie: node}`") else { return nil }
        var cookie = SessionCookie(name: name, lifetime: reader.read(StickyKeys.lifetime))
        reader.read(StickyKeys.secure, into: &cookie.isSecure)
        cookie.key = reader.read(StickyKeys.key)
        return cookie
    }

    private func checkHash(_ reader: SectionReader, _ health: SectionReader?, _ pool: Pool) {
        guard pool.balance == .hash else {
            if reader.has(BalanceKeys.hash) {
                diagnostics.warning(
                    reader.mark(of: BalanceKeys.hash), "\"hash\" has no effect with `balance: \(pool.balance.name)`",
                    hint: "add `balance: hash`")
            }
            return
        }
        if reader.has(BalanceKeys.subset) {
            diagnostics.error(
                reader.mark(of: BalanceKeys.subset), "\"subset\" does not go with `balance: hash`",
                hint: "nodes that use different endpoints can't agree on one for a value")
        }
        if let health, health.has(BalanceKeys.slowStart) {
            diagnostics.warning(
                health.mark(of: BalanceKeys.slowStart), "\"slow_start\" has no effect with `balance: hash`",
                hint: "a share that grows would move values from endpoint to endpoint")
        }
    }

    /// Relayed connections have no request to look at.
    func warnOfRequestAffinity(_ snapshot: Snapshot) {
        for relay in relays {
            let pool = snapshot.pools[relay.pool]
            let isByRequest = pool.balance == .hash && pool.hashKey != .clientIP
            guard isByRequest || pool.sticky != nil else { continue }
            diagnostics.warning(
                relay.mark,
                "\(isByRequest ? "\"hash\"" : "\"sticky\"") of the pool \(pool.name.quoted) can't look at requests of \(relay.user)",
                hint: isByRequest
                    ? "its connections go by the client's address" : "use `balance: hash` there, by `client_ip`")
        }
    }
}
