import Snapshot

enum MatchKeys {
    static let host = Key(
        "host", .oneOrMore(.hostPattern, each: "host"), stands: "every host",
        "The request's host without its port; of a `tls-passthrough` listener the server name that the client asks for (SNI). `*.shop.example` stands for one or more labels before `shop.example`."
    )
    static let path = Key(
        "path",
        .shaped("a path such as \"/old\", or {prefix: /api/}, or {regex: \"/v[0-9]+/.*\"}", nested: PathKeys.section),
        stands: "every path",
        "The whole path, byte for byte and without the query, or a map. Paths are compared in normal form (RFC 3986 §6.2.2): dot segments removed, letters, digits, `-`, `.`, `_` and `~` not escaped."
    )
    static let method = Key(
        "method", .oneOrMore(.method, each: "method"), stands: "every method",
        "Any of these. Methods are compared with case, and `GET` doesn't stand for `HEAD`.")
    static let header = Key(
        "header", .shaped("a map from field names to values, as in {x-beta: \"1\"}", nested: ValueKeys.section),
        stands: "every header",
        "Fields that the request must have, all of them; at most \(ConditionReader.countMax). Names are compared without case, values byte for byte. A condition is met by any line of its name."
    )
    static let query = Key(
        "query", .shaped("a map from parameter names to values, as in {v: \"2\"}"), stands: "every query",
        "Parameters that the query must have, all of them; at most \(ConditionReader.countMax); values as under `header`. Parameters stand between `&`; names and values are compared with percent-escapes decoded (`+` stays a plus); of parameters with the same name the first counts."
    )
    static let alpn = Key(
        "alpn", .oneOrMore(.applicationProtocolName, each: "protocol"), stands: "every offer",
        "Of a `tls-passthrough` listener: any of these is among the protocols that the client offers (ALPN), as in `[h2]` or `acme-tls/1`. The endpoint chooses among all that are offered."
    )
    static let section = Section(
        "routes[].match", "",
        keys: [
            host.declaration, path.declaration, method.declaration, header.declaration, query.declaration,
            alpn.declaration,
        ])
}

enum PathKeys {
    static let prefix = Key(
        "prefix", .path, stands: "required, or `regex`",
        "The bytes that the path begins with (so `/api` covers `/apis` too).")
    static let regex = Key(
        "regex", .regex, stands: "required, or `prefix`",
        "A regular expression that the whole path matches, from its first byte to its last. Routes whose patterns begin with the same fixed bytes are tried one after the other."
    )
    static let section = Section("routes[].match.path", "", keys: [prefix.declaration, regex.declaration])
}

enum ValueKeys {
    static let prefix = Key(
        "prefix", .text("the beginning of a value"), stands: "any value", "The bytes that the value begins with.")
    static let regex = Key(
        "regex", .regex, stands: "any value",
        "A regular expression that the whole value matches, from its first byte to its last.")
    static let present = Key(
        "present", .truth, stands: "`true`", "`false`: there is no such field or parameter.")
    static let section = Section(
        "routes[].match.header.NAME",
        """
        A condition is the value itself, or a map; of a map everything must hold.

        Regular expressions are compiled to tables when the file is checked, and run in one step a byte, whatever the request. \
        They have literals, `.` (any byte), `[a-z]`, `[^a-z]`, `\\d` `\\w` `\\s` `\\D` `\\W` `\\S`, `\\t` `\\n` `\\r` `\\f` `\\xHH`, `(…)`, `(?:…)`, `|`, `*` `+` \
        `?` `{2}` `{2,}` `{2,5}`, and `(?i)` in front for ASCII letters without case; no back-references, look-around or word boundaries. A \
        pattern has at most 1024 bytes and 1024 states; the tables of a site have at most 64 MiB.
        """, keys: [prefix.declaration, regex.declaration, present.declaration])
}
