import Snapshot

enum MirrorKeys {
    private static let standard = Route.Mirror(pool: 0)
    static let pool = Key("pool", .name, stands: "required", "Where the copies go; another pool than those in `to`.")
    static let share = Key(
        "share", .share, default: standard.share,
        "How many of the route's requests are copied, drawn one by one.")
    static let body = Key(
        "body", .size(0...1024 * 1024), default: standard.bodyBytesMax,
        "Bytes of a request's body, its chunk framing included, that are kept for the copy. A request with a longer one is not copied."
    )
    static let inFlight = Key(
        "in_flight", .integer(1...10_000), default: standard.countMax,
        "Copies of one node that are under way at a time; with so many, further requests are not copied.")
    static let section = Section(
        "routes[].mirror",
        """
        A copy is the request as its endpoint gets it, after `request`, without `Expect`. It is sent once, when all of it has \
        come; its answer is read and thrown away (of one with more than 1MiB, the connection is closed). Whatever becomes of it, \
        the client's request doesn't wait for it. Neither WebSocket nor CONNECT is copied. Copies that are not sent are \
        counted in `sluice_mirror_dropped_total`.
        """, keys: [pool.declaration, share.declaration, body.declaration, inFlight.declaration])
}

extension Form where Value == Int {
    /// `5%`, `0.25%`: of 10,000.
    static var share: Form {
        .scalar(
            "a percentage from 0.01% to 100%, with two decimals at most",
            render: { "\($0 / 100)" + ($0 % 100 == 0 ? "%" : ".\($0 % 100 < 10 ? "0" : "")\($0 % 100)%") },
            hint: { text in
                guard parseShare(text + "%") != nil else { return nil }
                return "a percentage has its sign, as in \("\(text)%".quoted)"
            },
            parse: { text in parseShare(text) })
    }

    private static func parseShare(_ text: String) -> Int? {
        guard text.hasSuffix("%"), !text.hasPrefix("-") else { return nil }
        let parts = text.dropLast().split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = decimal(String(parts[0])), whole <= 100 else { return nil }
        var hundredths = 0
        if parts.count == 2 {
            // The digit in front keeps zeros behind the point from being leading ones.
            guard 1...2 ~= parts[1].utf8.count, let digits = decimal("1" + parts[1]) else { return nil }
            hundredths = parts[1].utf8.count == 1 ? (digits - 10) * 10 : digits - 100
        }
        let share = whole * 100 + hundredths
        return 1...10_000 ~= share ? share : nil
    }
}
