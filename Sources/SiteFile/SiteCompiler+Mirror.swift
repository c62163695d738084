import Snapshot

/// `mirror` of a route.
extension SiteCompiler {
    func compile(mirror reader: SectionReader?, at mark: YAMLNode.Mark, into route: inout Route) {
        guard let reader else { return }
        var mirror = Route.Mirror(pool: 0)
        reader.read(MirrorKeys.share, into: &mirror.share)
        reader.read(MirrorKeys.body, into: &mirror.bodyBytesMax)
        reader.read(MirrorKeys.inFlight, into: &mirror.countMax)
        guard let name = reader.require(MirrorKeys.pool, hint: "as in `mirror: {pool: next, share: 5%}`") else {
            hasDanglingName = true
            return
        }
        let poolMark = reader[node: MirrorKeys.pool]?.mark ?? reader.mark
        guard let pool = pool(named: name, at: poolMark) else { return }
        mirror.pool = pool
        if route.targets.contains(where: { $0.pool == pool }) {
            diagnostics.error(
                poolMark, "the pool \(name.quoted) gets the requests themselves",
                hint: "copies go to a pool that is not in `to`")
        }
        guard route.answer == nil else {
            diagnostics.warning(
                mark, "\"mirror\" has no effect here: the request goes to no endpoint", hint: "remove it")
            return
        }
        guard route.connect == .none else {
            diagnostics.error(
                mark, "a tunnel can't be copied", hint: "remove `mirror`, or write a route without `connect`")
            return
        }
        route.mirror = mirror
    }
}
