import Testing

@testable import Pattern

@Suite("Patterns: what is refused")
struct PatternErrorTests {
    private func error(_ pattern: String) -> PatternError? {
        do throws(PatternError) {
            _ = try Automaton(pattern)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "constructs beyond a finite automaton, by name and place",
        arguments: [
            ("(a)\\1", 3), ("\\k<x>", 0), ("a(?=b)", 1), ("a(?!b)", 1), ("(?<=a)b", 0), ("(?<n>a)", 0), ("(?P<n>a)", 0),
            ("\\bword", 0), ("\\Ax", 0), ("\\p{L}", 0), ("a*+", 2), ("(^a)", 1), ("(a$)", 2), ("a^", 1), ("$a", 0),
            ("[[:alpha:]]", 1), ("[é]", 1), ("a(?i)b", 1), ("\\0", 0), ("\\v", 0), ("\\é", 0),
        ])
    func unsupported(pattern: String, offset: Int) {
        guard let error = error(pattern), case .unsupported = error.reason else {
            Issue.record("\(pattern): \(String(describing: error(pattern)))")
            return
        }
        #expect(error.offset == offset, "\(error.message)")
        #expect(error.hint != nil)
    }

    @Test(
        "slips of syntax, by place",
        arguments: [
            ("(a", 0), ("a)", 1), ("a(b(c)", 1), ("*a", 0), ("a|*", 2), ("a**", 2), ("a{2}{3}", 4), ("{2}", 0),
            ("a{", 1), ("a{x}", 1), ("a{,2}", 1), ("a{2,1}", 1), ("[a", 0), ("a[", 1), ("[]", 0), ("[^]", 0),
            ("[z-a]", 3), ("[\\d-z]", 3), ("[a-\\d]", 3), ("a\\", 1), ("\\x4", 0), ("\\xg0", 0), ("^*", 1),
        ])
    func malformed(pattern: String, offset: Int) {
        guard let error = error(pattern), case .malformed = error.reason else {
            Issue.record("\(pattern): \(String(describing: error(pattern)))")
            return
        }
        #expect(error.offset == offset, "\(pattern): \(error.message)")
    }

    @Test("the length of a pattern at its limit")
    func length() {
        let most = "[\(String(repeating: "a", count: PatternLimits.bytesMax - 2))]"
        #expect(error(String(most.dropLast(2)) + "]") == nil)
        #expect(error(most) == nil)
        #expect(error("[a" + most.dropFirst())?.reason == .tooLong)
        #expect(error(String(repeating: "é", count: PatternLimits.bytesMax / 2) + "a")?.reason == .tooLong)
    }

    @Test("groups in groups at their limit")
    func depth() {
        func nested(_ count: Int) -> String {
            String(repeating: "(", count: count) + "a" + String(repeating: ")", count: count)
        }
        #expect(error(nested(PatternLimits.depthMax - 1)) == nil)
        #expect(error(nested(PatternLimits.depthMax)) == nil)
        #expect(error(nested(PatternLimits.depthMax + 1))?.offset == PatternLimits.depthMax + 1)
        #expect(error(String(repeating: "(", count: PatternLimits.bytesMax)) != nil)
    }

    @Test("a repeat count at its limit")
    func repeats() {
        #expect(error("a{999}") == nil)
        #expect(error("a{1000}") == nil)
        #expect(error("a{1001}")?.offset == 1)
        #expect(error("a{2,1001}")?.offset == 1)
        #expect(error("a{99999999999999999999}")?.offset == 1)
    }

    @Test("states at their limit")
    func states() throws {
        // One for each byte so far, and the dead one.
        func states(_ length: Int) throws -> Int {
            let automaton = try Automaton("a{1000}a{\(length - 1000)}")
            return automaton.rows.count / automaton.stride
        }
        #expect(try states(PatternLimits.statesMax - 3) == PatternLimits.statesMax - 1)
        #expect(try states(PatternLimits.statesMax - 2) == PatternLimits.statesMax)
        #expect(
            error("a{1000}a{\(PatternLimits.statesMax - 1001)}")?.reason
                == .tooLarge("its table has more than 1024 states"))
        // 2 to the 15th: every combination of the last bytes is a state of its own.
        #expect(error(".*a.{14}") != nil)
        #expect(error(".*a.{8}") == nil)
    }

    @Test("positions at their limit")
    func instructions() throws {
        func program(_ rest: Int) throws -> Int {
            try PatternProgram(PatternParser.parse("(?:a{1000}){8}a{\(rest)}")).instructions.count
        }
        #expect(try program(190) == PatternLimits.instructionsMax - 1)
        #expect(try program(191) == PatternLimits.instructionsMax)
        #expect(throws: PatternError.self) { try program(192) }
        #expect(error("(((a{1000}){1000}){1000}){1000}") != nil)
        #expect(error("((((){1000}){1000}){1000}){1000}") == nil, "nothing, however often, is nothing")
        #expect(error("(((|){1000}){1000}){1000}") != nil)
    }

    @Test("what would take long to compile is refused, not compiled")
    func steps() {
        let expected = PatternError.Reason.tooLarge("compiling it takes more than \(PatternLimits.stepsMax) steps")
        #expect(error("(?:(?:[ab]?){60}[cd]?){60}x{500}")?.reason == expected)
    }

    @Test("no text makes the compiler trap", arguments: 1...30 as ClosedRange<UInt64>)
    func randomText(seed: UInt64) {
        var random = SeededRandom(seed)
        let pieces = [
            "(", ")", "[", "]", "{", "}", "*", "+", "?", "|", "\\", "^", "$", "-", "a", "1", ",", "x", "é", ".", ":",
        ]
        for _ in 0..<300 {
            let text = (0..<random.below(14)).map { _ in random.pick(pieces) }.joined()
            if let offset = error(text)?.offset { #expect((0...text.unicodeScalars.count).contains(offset), "\(text)") }
        }
    }
}
