/// Which certificates answer for which server name. Names are compared in lower case (RFC 6066 §3).
///
/// A name's certificates are a *group*: at most one for each kind of key, the first that is listed with the name. An exact
/// name goes before a wildcard, which stands for one label (RFC 6125 §6.4.3).
struct ServerNames {
    /// Indices of the certificates; the first group is the default.
    private(set) var groups: [[Int]] = []
    /// Sorted by name, for binary search.
    private var exact: [(name: [UInt8], group: Int)] = []
    /// What follows `*.`.
    private var wildcards: [(name: [UInt8], group: Int)] = []

    init(_ certificates: [(names: [String], kind: UInt8)]) {
        var byName: [String: [Int]] = [:]
        for (index, certificate) in certificates.enumerated() {
            for name in certificate.names {
                let kinds = byName[name, default: []].map { certificates[$0].kind }
                if !kinds.contains(certificate.kind) { byName[name, default: []].append(index) }
            }
        }
        // With the certificates that have the default one's name and another kind of key.
        var standard = [0]
        if let name = certificates[0].names.first {
            for index in byName[name] ?? [] where certificates[index].kind != certificates[0].kind {
                standard.append(index)
            }
        }
        groups = [standard]
        var known: [[Int]: Int] = [standard: 0]
        for (name, members) in byName {
            let group = known[members] ?? groups.count
            if group == groups.count {
                groups.append(members)
                known[members] = group
            }
            if name.hasPrefix("*.") {
                wildcards.append((Array(name.utf8.dropFirst(2)), group))
            } else {
                exact.append((Array(name.utf8), group))
            }
        }
        exact.sort { $0.name.lexicographicallyPrecedes($1.name) }
        wildcards.sort { $0.name.lexicographicallyPrecedes($1.name) }
    }

    init(_ certificates: [CertificateChain]) {
        self.init(certificates.map { ($0.names, $0.keyKind.rawValue) })
    }

    /// - Parameter name: As the client sent it; a dot at its end is not part of it.
    func group(for name: RawSpan) -> Int {
        var count = name.byteCount
        if count > 0, ServerNames.byte(name, count - 1) == 0x2e { count -= 1 }
        let whole = name.extracting(first: count)
        if let group = ServerNames.find(whole, exact) { return group }
        for index in 0..<count where ServerNames.byte(whole, index) == 0x2e {
            return ServerNames.find(whole.extracting(index + 1..<count), wildcards) ?? 0
        }
        return 0
    }

    private static func find(_ name: RawSpan, _ table: [(name: [UInt8], group: Int)]) -> Int? {
        var low = 0
        var high = table.count
        while low < high {
            let middle = (low + high) / 2
            let order = compare(name, table[middle].name)
            if order == 0 { return table[middle].group }
            if order < 0 { high = middle } else { low = middle + 1 }
        }
        return nil
    }

    private static func compare(_ left: RawSpan, _ right: [UInt8]) -> Int {
        for index in 0..<min(left.byteCount, right.count) {
            let (a, b) = (byte(left, index), right[index])
            if a != b { return a < b ? -1 : 1 }
        }
        return left.byteCount - right.count
    }

    /// In lower case.
    private static func byte(_ span: RawSpan, _ index: Int) -> UInt8 {
        precondition(index < span.byteCount)
        let byte = unsafe span.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
        return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    }
}
