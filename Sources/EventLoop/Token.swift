/// What an epoll event carries: the kind of thing, its slot, and the slot's generation, so that an event for a
/// descriptor that was closed and whose slot was used again is seen to be stale.
@usableFromInline
package struct Token: Equatable, Sendable {
    @usableFromInline package let rawValue: UInt64

    @inlinable
    package init(rawValue: UInt64) { self.rawValue = rawValue }

    /// - Parameters:
    ///   - kind: The role's own number for what the slot is.
    ///   - generation: Its low 24 bits are kept.
    @inlinable
    package init(kind: UInt8, slot: UInt32, generation: UInt32) {
        rawValue = UInt64(kind) << 56 | UInt64(generation & 0xff_ffff) << 32 | UInt64(slot)
    }

    @inlinable package var kind: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 56) }
    @inlinable package var slot: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
    @inlinable package var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) & 0xff_ffff }
}
