import Snapshot

// Keys of what a route does.

enum TargetKeys {
    static let pool = Key("pool", .name, stands: "required", "The pool.")
    static let weight = Key(
        "weight", .integer(1...65_535), default: WeightedPool(pool: 0).weight,
        "Its share of the route's requests against the other pools. A pool without a usable endpoint has none.")
    static let section = Section(
        "routes[].to[]", "A pool's name alone has the weight 1; or a map:",
        keys: [pool.declaration, weight.declaration])
    static let countMax = 64
}

enum RedirectKeys {
    static let to = Key(
        "to", .shaped("a path such as \"/new\", or a URL such as \"https://{host}{path}\""), stands: "required",
        "`Location`; variables as in header rules, escaped as a URL needs it. A reference that begins with a slash never gets a second one, whatever a variable holds; a question mark that nothing follows (`/new?{query}`) is left out."
    )
    static let status = Key(
        "status", .number(among: [301, 302, 303, 307, 308]), default: 308,
        "308 and 307 keep the method; 308 and 301 are for good.")
    static let section = Section(
        "routes[].redirect", "Answers with another place, without an endpoint.",
        keys: [to.declaration, status.declaration])
}

enum RespondKeys {
    static let status = Key("status", .integer(200...599), default: 200, "Status.")
    static let body = Key(
        "body", .shaped("text of at most 32KiB"), stands: "empty", "Sent as it is, without variables.")
    static let type = Key(
        "type", .mediaType, stands: "`text/plain` with a body, else none", "`Content-Type`.")
    static let headers = Key(
        "headers", .shaped("a map from field names to values"), stands: "none",
        "Fields of the answer; values may have variables. Those in `response` come as well.")
    static let section = Section(
        "routes[].respond",
        "Answers without an endpoint. A request body that has come with the head is passed over; after another the connection is closed.",
        keys: [status.declaration, body.declaration, type.declaration, headers.declaration])
}

enum PathRewriteKeys {
    static let stripPrefix = Key(
        "strip_prefix", .path, stands: "none",
        "Taken off the path when that begins with it and a segment ends there: `/api` of `/api/x`, not of `/apis`.")
    static let addPrefix = Key(
        "add_prefix", .path, stands: "none", "Put before the path, after `strip_prefix`.")
    static let replace = Key("replace", .path, stands: "none", "The whole path instead of the one received.")
    static let section = Section(
        "routes[].request.path",
        "Where one of these stands, the path goes out in its normal form (RFC 3986 §6.2.2: escapes of letters, digits, `-`, `.`, `_` and `~` decoded, dot segments removed), which is also what routes match; `%2F` stays `%2F` and separates nothing. It always begins with a slash. `replace` stands alone.",
        keys: [stripPrefix.declaration, addPrefix.declaration, replace.declaration])
}

enum QueryRewriteKeys {
    static let set = Key(
        "set", .shaped("a map from parameter names to values"), stands: "none",
        "Replaces every parameter of that name by one.")
    static let add = Key(
        "add", .shaped("a map from parameter names to values or lists of values"), stands: "none",
        "Appends a parameter for each value.")
    static let remove = Key(
        "remove", .oneOrMore(.parameterName, each: "parameter name", mayBeEmpty: true), default: [],
        "Drops every parameter of that name.")
    static let section = Section(
        "routes[].request.query",
        "Names and values are written without escapes and sent with them; values may have variables. Parameters that stay keep their order and spelling.",
        keys: [set.declaration, add.declaration, remove.declaration])
}

enum ErrorPageKeys {
    static let body = Key(
        "body", .shaped("text of at most 32KiB"), stands: "required, or `file`",
        "The page. `{status}` and `{request_id}` are filled in; other braces are text.")
    static let file = Key(
        "file", .shaped("the path of a file of at most 32KiB"), stands: "none",
        "The page, from a file: relative to the directory of the site file as it was named, read by the control plane whenever it compiles the site."
    )
    static let type = Key("type", .mediaType, default: "text/html", "`Content-Type`.")
    static let section = Section(
        "errors.STATUS",
        "`STATUS` is one such as `404`, or a class: `4xx`, `5xx`. Pages are for answers that the proxy makes itself; what endpoints, `redirect` and `respond` answer stays as it is. A route's pages come before the site's, one of a status before one of its class.",
        keys: [body.declaration, file.declaration, type.declaration])
}
