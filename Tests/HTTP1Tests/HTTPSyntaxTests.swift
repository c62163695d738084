import HTTPMessage
import Testing

@Suite("Syntax, RFC 9110 §5")
struct HTTPSyntaxTests {
    @Test("tchar, against the grammar's own list")
    func token() {
        let allowed = Set("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        for byte in UInt8.min ... .max {
            #expect(HTTPSyntax.isTokenByte(byte) == allowed.contains(byte), "byte \(byte)")
        }
        #expect(
            HTTPSyntax.isToken("X-A") && !HTTPSyntax.isToken("") && !HTTPSyntax.isToken("a b")
                && !HTTPSyntax.isToken("é"))
    }

    @Test(
        "field values",
        arguments: [
            ("", true), ("a", true), ("a \t b", true), ("é", true), (" a", false), ("a ", false), ("\ta", false),
            ("a\t", false), (" ", false),
            ("a\nb", false), ("a\rb", false), ("a\u{0}", false), ("\u{7f}", false),
        ])
    func fieldValue(text: String, expected: Bool) {
        #expect(HTTPSyntax.isFieldValue(text) == expected)
    }
}
