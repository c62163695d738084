import Snapshot

/// `mirror` of a route, as workers read it.
struct CompiledMirror: BitwiseCopyable {
    /// Index into the site's pools.
    let pool: Int
    /// Of 10,000 requests.
    let share: UInt32
    let bodyBytesMax: UInt64
    /// Copies that one worker has under way.
    let countMax: Int
    /// Of its figures; the same across revisions.
    let number: Int

    init(_ mirror: Route.Mirror, number: Int, workers: Int) {
        pool = mirror.pool
        share = UInt32(mirror.share)
        bodyBytesMax = UInt64(mirror.bodyBytesMax)
        countMax = (mirror.countMax + workers - 1) / workers
        self.number = number
    }
}
