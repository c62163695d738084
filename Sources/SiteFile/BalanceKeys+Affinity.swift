import HTTPMessage
import Snapshot

enum HashKeys {
    static let by = Key(
        "by", .hashKey, default: HashKey.clientIP,
        "`client_ip`: the client's address. `header:NAME`: the first line of that field. `cookie:NAME`. `path`: the path, as received. `query`: all of the query; `query:NAME`: one parameter of it, as received. Requests with the same value go to the same endpoint, from every node (a Maglev table: when endpoints come and go, few others' values move); one that lacks it goes to any. No endpoint of a node's worker gets more than 1.25 times its share of the requests under way, once it has eight: the next one in the value's own order takes it."
    )
    static let section = Section("pools.NAME.hash", "", keys: [by.declaration])
}

enum StickyKeys {
    static let cookie = Key(
        "cookie", .cookieName, stands: "required",
        "The cookie's name. It is set (`Path=/; HttpOnly; SameSite=Lax`) with the answer to a request that brings none, or one of an endpoint that is down, full, or refuses connections. Its value says nothing of the endpoint's address, and is the same at every node and after every restart."
    )
    static let lifetime = Key(
        "lifetime", .duration(.seconds(1) ... .seconds(365 * 24 * 3600)), stands: "until the client ends",
        "How long clients keep it, in whole seconds: `Max-Age`.")
    static let secure = Key("secure", .truth, default: false, "Clients send it over TLS only: `Secure`.")
    static let key = Key(
        "key", .secret, stands: "the names of site and pool",
        "A secret that values are made with. Without one, who knows the names and guesses an address can tell whether a value stands for it. Changing it sends every client to a new endpoint."
    )
    static let section = Section(
        "pools.NAME.sticky", "",
        keys: [cookie.declaration, lifetime.declaration, secure.declaration, key.declaration])
}

extension Form where Value == HashKey {
    static var hashKey: Form {
        let phrase = "one of client_ip, header:NAME, cookie:NAME, path, query, query:NAME"
        return .scalar(
            phrase, render: { _ in "client_ip" },
            hint: { text in
                switch text.lowercased() {
                case "header", "cookie": return "name it, as in \("\(text.lowercased()):session".quoted)"
                case "source", "ip", "source_ip", "client", "address": return "did you mean \("client_ip".quoted)?"
                case "uri", "url": return "did you mean \("path".quoted)?"
                default: return Suggestion.hint(for: text, among: ["client_ip", "path", "query"])
                }
            },
            parse: { text in
                let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                switch (parts[0], parts.count == 2 ? parts[1] : nil) {
                case ("client_ip", nil): return .clientIP
                case ("path", nil): return .path
                case ("query", nil): return .query(nil)
                case ("query", let name?) where !name.isEmpty: return .query(name)
                case ("header", let name?) where HTTPSyntax.isToken(name): return .header(name.lowercased())
                case ("cookie", let name?) where HTTPSyntax.isToken(name): return .cookie(name)
                default: return nil
                }
            })
    }
}

extension Form where Value == String {
    static var cookieName: Form {
        .scalar(
            "a cookie's name: at most 64 letters, digits and \("!#$%&'*+-.^_`|~".quoted)",
            parse: { HTTPSyntax.isToken($0) && $0.utf8.count <= 64 ? $0 : nil })
    }

    static var secret: Form {
        .scalar("a text of 8 to 256 bytes", parse: { (8...256).contains($0.utf8.count) ? $0 : nil })
    }
}
