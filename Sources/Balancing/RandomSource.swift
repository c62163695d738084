/// A small, fast, seedable stream of numbers for choices that need no secrecy (wyrand, Wang Yi).
///
/// One word of state and one wide multiplication per number. One per worker; never for keys, tokens or identifiers
/// that a client must not guess.
@usableFromInline
package struct RandomSource: RandomNumberGenerator, BitwiseCopyable, Sendable {
    @usableFromInline var state: UInt64

    /// - Parameter seed: Any value; the same seed gives the same numbers on every host.
    @inlinable
    package init(seed: UInt64) {
        state = seed
    }

    @inlinable
    package mutating func next() -> UInt64 {
        state &+= 0xA076_1D64_78BD_642F
        return Hash64.folded(state, state ^ 0xE703_7ED1_A0B4_28DB)
    }

    /// A number in `0..<bound`, or 0 when `bound` is 0.
    ///
    /// Multiply and shift (Lemire 2019) without the rejection step: with `bound` under 2³² the shares of
    /// two numbers differ by less than one in 2³².
    @inlinable
    package mutating func next(below bound: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
    }
}
