import EventLoop
import Snapshot

/// Keys that say how requests are spread over the endpoints of a pool; they stand in several maps.
enum BalanceKeys {
    private static let standard = Pool(name: "", endpoints: [])

    static let summary =
        "How an endpoint is chosen. `peak-ewma`: the least expected wait, which is how long it lately took to answer times the requests it would have; worse news counts at once, better news over 10 s. `least-request`: the fewest requests under way for its weight. `round-robin`: in turn. `random`: by chance. `hash`: by a part of the request, see `hash`. All by weight; of more than eight endpoints, the first two compare two that are drawn. For a `tcp` listener, connections count instead of requests, and the time that connecting takes."

    // MARK: of a pool

    static let panic = Key(
        "panic", .percent(0...100), default: standard.panicPercent,
        "When fewer than this share of the endpoints are up (backups and draining ones not counted), those left aren't made to carry the load of all: backups join, and without any backup up, requests are spread over all endpoints, up or not, draining ones excepted. `0%`: never; then requests are answered with 503 when none is up. See `sluice_pool_panic`."
    )
    static let subset = Key(
        "subset", .integer(1...65_535), stands: "all",
        "How many of the endpoints one proxy node uses, for pools so large that connections from every node to every endpoint are too many. Each node has an order of preference of its own and uses the first that are up; give enough that nodes times `subset` is many times the number of endpoints, or shares become uneven (`sluice plan` shows them)."
    )

    static let hash = Key(
        "hash", .section(HashKeys.section), stands: "by `client_ip`", "What decides with `balance: hash`.")
    static let sticky = Key(
        "sticky", .section(StickyKeys.section), stands: "none",
        "A cookie that keeps a client at the endpoint that served it first, as long as that is up or draining.")

    // MARK: of an endpoint

    static let backup = Key(
        "backup", .truth, default: Endpoint(address: .unix("")).isBackup,
        "Takes requests only when fewer of the others are up than `panic` asks for, or connecting to all of them fails."
    )
    static let zone = Key(
        "zone", .name, stands: "none",
        "Where it stands. A proxy node in the same zone uses the endpoints of its zone only, as long as half of them are up."
    )

    // MARK: of a health check

    static let slowStart = Key(
        "slow_start", .duration(.milliseconds(100) ... .seconds(3600)), stands: "at once",
        "How long an endpoint that comes back, or is new, takes to get its whole share: it begins with a sixteenth and goes on in sixteen steps. Not with `balance: hash`, nor for `tcp` listeners."
    )

    // MARK: of the nodes

    static let nodeZone = Key(
        "zone", .name, stands: "none",
        "Where the proxy nodes on this host stand; see `zone` of an endpoint. Nodes on other hosts say it themselves (`sluice proxy --zone`)."
    )
}
