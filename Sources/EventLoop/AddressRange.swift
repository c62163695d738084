/// A block of addresses in CIDR notation (RFC 4632, RFC 4291 §2.3): `10.0.0.0/8`, `2001:db8::/32`, or one address.
package struct AddressRange: Hashable, Sendable {
    /// The first address of the block; its port is 0.
    package let base: IPEndpoint
    /// Leading bits that must agree: 0…32 for IPv4, 0…128 for IPv6.
    package let prefixLength: Int

    /// - Returns: nil for text that is no block, and for one whose host bits are not zero (`10.0.0.1/8`).
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let host = parts.first, let base = IPEndpoint(host: String(host), port: 0) else { return nil }
        let bits = base.family == .v4 ? 32 : 128
        var prefixLength = bits
        if parts.count == 2 {
            guard let stated = Int(parts[1]), (0...bits).contains(stated), !parts[1].hasPrefix("+") else { return nil }
            prefixLength = stated
        }
        self.init(base: base, prefixLength: prefixLength)
        guard masked(base) == base else { return nil }
    }

    package init(base: IPEndpoint, prefixLength: Int) {
        self.base = base
        self.prefixLength = prefixLength
    }

    /// Whether the address lies in the block; the port doesn't matter. Families never match each other.
    package func contains(_ address: IPEndpoint) -> Bool {
        guard address.family == base.family else { return false }
        let network = masked(address)
        return network.high == base.high && network.low == base.low
    }

    private func masked(_ address: IPEndpoint) -> IPEndpoint {
        var network = address
        switch address.family {
        case .v4:
            network.low &= prefixLength == 0 ? 0 : ~UInt64(0) << UInt64(32 - prefixLength)
        case .v6:
            network.high &= mask(bits: min(prefixLength, 64))
            network.low &= mask(bits: max(prefixLength - 64, 0))
        }
        return network
    }

    private func mask(bits: Int) -> UInt64 { bits == 0 ? 0 : ~UInt64(0) << UInt64(64 - bits) }
}

extension AddressRange: CustomStringConvertible {
    package var description: String { "\(base.host)/\(prefixLength)" }
}
