import Snapshot

/// A route, as workers read it.
@safe
struct CompiledRoute: BitwiseCopyable {
    let name: Bytes
    let request: CompiledRules
    let response: CompiledRules
    let rewrite: CompiledRewrite
    let targets: CompiledTargets
    /// nil: the request goes to one of `targets`.
    let answer: UnsafePointer<CompiledAnswer>?
    /// nil: requests are not copied.
    let mirror: UnsafePointer<CompiledMirror>?
    /// Before those of the site.
    let errorPages: CompiledErrorPages
    let connect: Route.Connect
    let connectNanoseconds: UInt64
    let responseNanoseconds: UInt64
    /// `UInt64.max` for no bound.
    let requestNanoseconds: UInt64
    let retry: CompiledRetry
    let isShed: Bool
    /// `hedge.after`; 0 for a percentile, `UInt64.max` for no hedge.
    let hedgeNanoseconds: UInt64
    /// 0 for a fixed time.
    let hedgePercent: UInt32

    init(_ route: Route, mirror: CompiledMirror?, arena: Arena) {
        name = arena.make(route.name)
        request = CompiledRules(route.request, arena: arena)
        response = CompiledRules(route.response, arena: arena)
        rewrite = CompiledRewrite(route.rewrite, arena: arena)
        targets = CompiledTargets(route.targets, arena: arena)
        if let answer = route.answer {
            unsafe self.answer = UnsafePointer(arena.make([CompiledAnswer(answer, arena: arena)]))
        } else {
            unsafe answer = nil
        }
        if let mirror {
            unsafe self.mirror = UnsafePointer(arena.make([mirror]))
        } else {
            unsafe self.mirror = nil
        }
        errorPages = CompiledErrorPages(route.errorPages, arena: arena)
        connect = route.connect
        connectNanoseconds = route.connectTimeout.nanosecondsUnsigned
        responseNanoseconds = route.responseTimeout.nanosecondsUnsigned
        requestNanoseconds = route.requestTimeout?.nanosecondsUnsigned ?? .max
        retry = CompiledRetry(route.retry)
        isShed = route.isShed
        switch route.hedge?.after {
        case nil: (hedgeNanoseconds, hedgePercent) = (.max, 0)
        case .time(let time): (hedgeNanoseconds, hedgePercent) = (time.nanosecondsUnsigned, 0)
        case .percentile(let percent): (hedgeNanoseconds, hedgePercent) = (0, UInt32(percent))
        }
    }
}
