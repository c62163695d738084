import Balancing
import HTTPMessage

/// How requests are spread over a pool, in the wire form.
extension WireWriter {
    mutating func write(balanceOf pool: Pool) {
        write(pool.balance.rawValue)
        write(UInt8(clamping: pool.panicPercent))
        write(UInt32(pool.subsetCount ?? 0))
        write(pool.slowStart)
        switch pool.hashKey {
        case .clientIP: write(hashKey: 0, "")
        case .header(let name): write(hashKey: 1, name)
        case .cookie(let name): write(hashKey: 2, name)
        case .path: write(hashKey: 3, "")
        case .query(let name): write(hashKey: 4, name ?? "")
        }
        write(pool.sticky != nil)
        guard let sticky = pool.sticky else { return }
        write(sticky.name)
        write(sticky.lifetime ?? .zero)
        write(sticky.isSecure)
        write(sticky.key ?? "")
    }

    private mutating func write(hashKey kind: UInt8, _ name: String) {
        write(kind)
        write(name)
    }
}

extension WireReader {
    mutating func readBalance(of pool: inout Pool) throws(WireError) {
        pool.balance = try readCase()
        pool.panicPercent = Int(try read(UInt8.self))
        guard pool.panicPercent <= 100 else { throw .invalid("panic") }
        let subset = Int(try read(UInt32.self))
        pool.subsetCount = subset == 0 ? nil : subset
        pool.slowStart = try readDuration()
        guard pool.slowStart >= .zero else { throw .invalid("slow start") }
        pool.hashKey = try readHashKey()
        pool.sticky = try readBool() ? try readSessionCookie() : nil
    }

    private mutating func readHashKey() throws(WireError) -> HashKey {
        let kind: UInt8 = try read()
        let name = try readName()
        switch (kind, name) {
        case (0, nil): return .clientIP
        case (1, let name?): return .header(name)
        case (2, let name?): return .cookie(name)
        case (3, nil): return .path
        case (4, _): return .query(name)
        default: throw .invalid("hash key")
        }
    }

    private mutating func readSessionCookie() throws(WireError) -> SessionCookie {
        var cookie = SessionCookie(name: try readString())
        // It goes into a field of every first answer as it is.
        guard HTTPSyntax.isToken(cookie.name) else { throw .invalid("cookie") }
        let lifetime = try readDuration()
        cookie.lifetime = lifetime == .zero ? nil : lifetime
        cookie.isSecure = try readBool()
        cookie.key = try readName()
        return cookie
    }

    /// A text that may be missing; empty stands for none.
    mutating func readName() throws(WireError) -> String? {
        let text = try readString()
        return text.isEmpty ? nil : text
    }
}
