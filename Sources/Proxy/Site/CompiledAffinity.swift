import Balancing
import EventLoop
import Snapshot

/// `hash.by` of a pool, compiled.
@safe
struct CompiledHashKey: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        case clientIP, header, cookie, path, query, parameter
    }
    let kind: Kind
    /// Of a field in lower case, a cookie or a parameter.
    let name: Bytes

    init(_ key: HashKey, arena: Arena) {
        switch key {
        case .clientIP: (kind, name) = (.clientIP, arena.make(""))
        case .header(let name): (kind, self.name) = (.header, arena.make(name))
        case .cookie(let name): (kind, self.name) = (.cookie, arena.make(name))
        case .path: (kind, name) = (.path, arena.make(""))
        case .query(nil): (kind, name) = (.query, arena.make(""))
        case .query(let name?): (kind, self.name) = (.parameter, arena.make(name))
        }
    }
}

/// `sticky` of a pool, compiled.
@safe
struct CompiledSticky: BitwiseCopyable {
    let lookup: StickyTable.Lookup
    /// The cookie's name.
    let name: Bytes
    /// `Set-Cookie: name=`
    let front: Bytes
    /// The attributes, and the end of the line.
    let back: Bytes

    init(_ cookie: SessionCookie, _ lookup: StickyTable.Lookup, arena: Arena) {
        self.lookup = lookup
        name = arena.make(cookie.name)
        front = arena.make("Set-Cookie: \(cookie.name)=")
        var attributes = "; Path=/"
        if let lifetime = cookie.lifetime { attributes += "; Max-Age=\(lifetime.components.seconds)" }
        if cookie.isSecure { attributes += "; Secure" }
        back = arena.make(attributes + "; HttpOnly; SameSite=Lax\r\n")
    }
}

extension StickyTable {
    convenience init(_ pool: Pool, _ cookie: SessionCookie, site: String, _ members: [UInt32]) {
        self.init(
            pool: pool.name,
            endpoints: zip(pool.endpoints, members).map { ($0.address.description, $1) },
            key: cookie.key ?? "\(site) \(pool.name)")
    }
}
