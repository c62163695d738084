import Telemetry
import Testing

@Suite("Log")
struct LogTests {
    private func line(_ level: Log.Level, _ message: String) -> String {
        String(decoding: Log.line(level, "link", message, seconds: 0, milliseconds: 0), as: UTF8.self)
    }

    @Test(
        "one line: time, level, component, message",
        arguments: [(Log.Level.error, "error"), (.warning, "warning"), (.info, "info")])
    func format(level: Log.Level, word: String) {
        #expect(line(level, "lost") == "1970-01-01T00:00:00.000Z \(word) link: lost\n")
    }

    @Test(
        "dates of RFC 3339 in UTC",
        arguments: [
            (0, "1970-01-01T00:00:00.007Z"), (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"), (951_868_800, "2000-03-01T00:00:00.007Z"),
            (1_709_251_199, "2024-02-29T23:59:59.007Z"), (1_735_689_599, "2024-12-31T23:59:59.007Z"),
            (1_735_689_600, "2025-01-01T00:00:00.007Z"), (4_107_542_400, "2100-03-01T00:00:00.007Z"),
        ] as [(Int64, String)])
    func dates(seconds: Int64, text: String) {
        #expect(Log.timestamp(seconds: seconds, milliseconds: 7) == text)
    }

    @Test("a message stays one line whatever is in it")
    func controls() {
        #expect(line(.info, "a\nb\r\u{1b}[0m\u{7f}\té").hasSuffix(" a?b??[0m??é\n"))
    }

    @Test("a line has at most 4,096 bytes", arguments: [-1, 0, 1])
    func bound(excess: Int) {
        let fixed = line(.info, "").utf8.count
        let text = line(.info, String(repeating: "x", count: Log.lineBytesMax - fixed + excess))
        #expect(text.utf8.count == Log.lineBytesMax + min(excess, 0))
        #expect(text.hasSuffix("x\n"))
    }
}
