import HTTPMessage

extension Form where Value == String {
    /// A method (RFC 9110 §9.1): a token, compared with case.
    static var method: Form {
        .scalar(
            "a method such as GET",
            hint: { text in
                let upper = text.uppercased()
                return standardMethods.contains(upper) ? "methods are compared with case: did you mean \(upper)?" : nil
            },
            parse: { text in
                let isSlip = !standardMethods.contains(text) && standardMethods.contains(text.uppercased())
                return HTTPSyntax.isToken(text) && text.utf8.count <= nameBytesMax && !isSlip ? text : nil
            })
    }

    private static var standardMethods: Set<String> {
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
    }

    /// Of RFC 7301 §3.1, as far as text can be: 1 to 255 bytes that can be seen.
    static var applicationProtocolName: Form {
        .scalar(
            "a protocol's name such as h2",
            parse: { text in
                (1...255).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f } ? text : nil
            })
    }

    /// Its syntax is checked by `SitePatterns`, which says more of what is wrong.
    static var regex: Form { .text("a regular expression such as \"v[0-9]+\"") }

    /// Any text but the empty one.
    static func text(_ phrase: String) -> Form { .scalar(phrase, parse: { $0.isEmpty ? nil : $0 }) }
}
