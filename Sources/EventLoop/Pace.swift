/// When the source of a stream that moves bulk is looked at: with each arrival, or once a beat.
///
/// A sender's bytes arrive in pieces of 64 KiB at most, some 10 µs apart. A worker that is woken by each of them moves
/// small pieces, and most of what they cost is the waking. So a stream that has moved `burstBytesMin` and whose source
/// was found nearly empty is paced: its source isn't watched for reading, all paced streams are looked at once a beat,
/// and a look that finds nothing ends it. What interrupt moderation does for a network card; everything else still
/// wakes the worker at once.
@usableFromInline
package struct Pace: BitwiseCopyable {
    /// From one look to the next.
    package static let beatNanoseconds: UInt64 = 200_000
    /// Bytes in one go until a stream is paced: what is smaller never waits for a beat.
    package static let burstBytesMin = 128 * 1024
    /// A look that finds more starts no pace: the worker is the slower side already.
    package static let lookBytesMax = 256 * 1024

    /// The source waits for the next beat.
    @usableFromInline package internal(set) var isPaced = false
    /// Bytes moved since the source was last found empty.
    @usableFromInline var found = 0
    /// Bytes moved since a look found nothing; no more than `burstBytesMin`.
    @usableFromInline var burst = 0

    @inlinable package init() {}

    /// So many bytes have been moved from the source.
    package mutating func moved(_ count: Int) { found += count }

    /// The source has been emptied.
    package mutating func emptied() {
        guard found > 0 else {
            self = Pace()
            return
        }
        burst = min(burst + found, Pace.burstBytesMin)
        isPaced = isPaced || burst == Pace.burstBytesMin && found <= Pace.lookBytesMax
        found = 0
    }

    /// The stream moves no bulk any more.
    package mutating func end() { self = Pace() }
}
