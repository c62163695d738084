import Testing

@testable import Pattern

@Suite("Patterns: what they match")
struct AutomatonTests {
    @Test(
        "a subject matches as a whole",
        arguments: [
            ("abc", ["abc"], ["", "ab", "abcd", "xabc", "ABC"]),
            ("", [""], ["a"]),
            ("a.c", ["abc", "a\nc", "a.c"], ["ac", "abbc"]),
            ("/v[0-9]+/.*", ["/v1/", "/v12/x/y"], ["/v/", "/vx/", "/v1"]),
            ("a|b|", ["a", "b", ""], ["ab"]),
            ("a(b|c)*d", ["ad", "abcbcd"], ["abcb", "aed"]),
            ("a{2}", ["aa"], ["a", "aaa"]), ("a{2,}", ["aa", "aaaaa"], ["a"]), ("a{1,3}", ["a", "aaa"], ["", "aaaa"]),
            ("a{0}b", ["b"], ["ab"]), ("(ab){2}", ["abab"], ["ab", "aabb"]),
            ("^/a$", ["/a"], ["/a\n", "^/a$"]), ("^a$|^b$", ["a", "b"], ["ab"]),
            ("[^a-c]", ["d", "\u{0}"], ["a", "c", ""]), ("[a\\-z]", ["a", "-", "z"], ["m"]),
            ("[-a]", ["-", "a"], ["b"]),
            ("[a-]", ["-", "a"], ["b"]), ("[.*]", [".", "*"], ["a"]), ("[\\d_]", ["1", "_"], ["a"]),
            ("[\\]\\\\]", ["]", "\\"], ["a"]), ("[\\x41-C]", ["A", "B", "C"], ["D"]),
            ("\\d\\D\\w\\W\\s\\S", ["1x_- x"], ["xx_- x"]), ("\\x2f\\.\\t", ["/.\t"], ["//\t"]),
            ("(?i)Ab[x-z]é", ["aBYé", "ABxé"], ["aBYÉ", "abw"]), ("(?i)[^a]", ["b"], ["A", "a"]),
            ("a+?b??", ["a", "aab"], ["b"]), ("é+", ["é", "éé"], ["e", "\u{c3}"]), ("}]", ["}]"], ["}"]),
            ("(?:a|b)(?:c)?", ["a", "bc"], ["c"]), ("((((a))))", ["a"], ["aa"]), ("(a*)*", ["", "aaa"], ["b"]),
            ("(a|b*)*c", ["c", "abbac"], ["abd"]), ("(|a)+", ["", "aa"], ["b"]),
        ] as [(String, [String], [String])])
    func whole(pattern: String, taken: [String], refused: [String]) throws {
        let automaton = try Automaton(pattern)
        for subject in taken { #expect(automaton.matches(subject.utf8), "\(pattern) takes \(subject)") }
        for subject in refused { #expect(!automaton.matches(subject.utf8), "\(pattern) refuses \(subject)") }
    }

    @Test("bytes that are no UTF-8 are bytes like others")
    func anyBytes() throws {
        #expect(try Automaton("a.b").matches([0x61, 0xff, 0x62]))
        #expect(try Automaton("[^a]\\xff").matches([0x80, 0xff]))
        #expect(try !Automaton("\\xff").matches([0xc3, 0xbf]))
    }

    @Test("patterns that make others try for ever take one step a byte")
    func hostileSubjects() throws {
        let subject = [UInt8](repeating: 0x61, count: 60 * 1024)
        for pattern in ["(a*)*b", "(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*)*b", "a*a*a*a*a*a*b"] {
            #expect(try !Automaton(pattern).matches(subject))
            #expect(try Automaton(pattern).matches(subject + [0x62]))
        }
    }

    @Test("the view that the request path walks says the same as the automaton")
    func table() throws {
        let automaton = try Automaton("/[a-c]{2,3}(/x)?")
        for subject in ["/ab", "/abc/x", "/abcd", "/", "", "/ab/x/", "/ab\u{0}"] {
            let bytes = [UInt8](subject.utf8)
            let found = automaton.classes.withUnsafeBufferPointer { classes in
                automaton.rows.withUnsafeBufferPointer { rows in
                    (bytes + [0]).withUnsafeBufferPointer { subject in
                        AutomatonTable(
                            classes: classes.baseAddress!, rows: rows.baseAddress!, stride: automaton.stride,
                            start: automaton.start
                        ).matches(subject.baseAddress!, bytes.count)
                    }
                }
            }
            #expect(found == automaton.matches(bytes), "\(subject)")
        }
    }

    @Test(
        "the bytes that every match begins with",
        arguments: [
            ("/api/v[0-9]/.*", "/api/v"), ("abc", "abc"), ("a*", ""), ("ab?", "a"), ("ab|ac", "a"), ("(x|y)", ""),
            ("a{3}.", "aaa"), ("", ""), ("(?i)/A", "/"), ("/(foo/bar|foo/baz)", "/foo/ba"),
        ])
    func fixedPrefix(pattern: String, prefix: String) throws {
        #expect(try String(decoding: Automaton(pattern).fixedPrefix, as: UTF8.self) == prefix)
    }
}

/// Against the regular expressions of the standard library: another parser and another engine.
@Suite("Patterns: random ones against a second implementation")
struct RandomPatternTests {
    private struct Writer {
        var random: SeededRandom

        mutating func pattern(_ depth: Int) -> String {
            (0..<random.below(3) + 1).map { _ in sequence(depth) }.joined(separator: "|")
        }

        private mutating func sequence(_ depth: Int) -> String {
            (0..<random.below(4)).map { _ in
                atom(depth) + random.pick(["", "", "", "*", "+", "?", "{2}", "{1,}", "{0,2}", "*?", "+?"])
            }.joined()
        }

        private mutating func atom(_ depth: Int) -> String {
            switch random.below(depth > 0 ? 9 : 7) {
            case 0...2: random.pick(["a", "b", "A", "1", "_", "-", "/", "\\.", "\\n"])
            case 3: random.pick([".", "\\d", "\\w", "\\s", "\\D", "\\W", "\\S"])
            case 4: random.pick(["[ab]", "[^ab]", "[a-z]", "[^\\d]", "[\\w-]", "[A-Z1/]", "[^\\s_]"])
            case 5: random.pick(["\\x61", "\\x2F", "\\*"])
            case 6: random.pick(["a", "b"])
            case 7: "(" + pattern(depth - 1) + ")"
            default: "(?:" + pattern(depth - 1) + ")"
            }
        }

        mutating func subject() -> String {
            (0..<random.below(7)).map { _ in random.pick(["a", "b", "A", "1", "_", "-", "/", ".", "\n", " ", "*"]) }
                .joined()
        }
    }

    @Test("agrees on every subject", arguments: 1...60 as ClosedRange<UInt64>)
    func agrees(seed: UInt64) throws {
        var writer = Writer(random: SeededRandom(seed))
        for _ in 0..<15 {
            let ignoresCase = writer.random.below(4) == 0
            let text = writer.pattern(2)
            let automaton: Automaton
            do throws(PatternError) {
                automaton = try Automaton((ignoresCase ? "(?i)" : "") + text)
            } catch {
                guard case .tooLarge = error.reason else { throw error }
                continue
            }
            let second = try Regex(text).matchingSemantics(.unicodeScalar).dotMatchesNewlines()
                .asciiOnlyDigits().asciiOnlyWordCharacters().asciiOnlyWhitespace().ignoresCase(ignoresCase)
            let prefix = automaton.fixedPrefix
            for _ in 0..<25 {
                let subject = writer.subject()
                let expected = try second.wholeMatch(in: subject) != nil
                #expect(
                    automaton.matches(subject.utf8) == expected, "seed \(seed): \(text) on \(subject.debugDescription)")
                if expected { #expect(Array(subject.utf8).starts(with: prefix), "seed \(seed): \(text)") }
            }
        }
    }
}
