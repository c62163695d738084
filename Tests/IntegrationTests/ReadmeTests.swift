import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("What the README says")
    struct ReadmeTests {
        private func readme() throws -> String {
            let root = URL(fileURLWithPath: #filePath)
                .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            return try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
        }

        /// The contents of the fenced blocks of one language.
        private func blocks(_ language: String, in text: String) -> [String] {
            text.components(separatedBy: "```\(language)\n").dropFirst().compactMap {
                $0.components(separatedBy: "\n```").first
            }
        }

        @Test("its site file is accepted without a warning")
        func siteFile() throws {
            let files = blocks("yaml", in: try readme())
            #expect(!files.isEmpty)
            for text in files {
                let path = FileManager.default.temporaryDirectory.appendingPathComponent("readme-\(UUID()).yaml")
                try text.write(to: path, atomically: true, encoding: .utf8)
                defer { try? FileManager.default.removeItem(at: path) }
                let result = try SluiceCommand(socket: "/nowhere").run(["check", path.path])
                #expect(result.exitCode == 0, "\(result)")
                #expect(!result.description.contains("warning:"), "\(result)")
            }
        }

        @Test("its commands exist")
        func commands() throws {
            let words = blocks("sh", in: try readme()).flatMap { $0.split { $0 == " " || $0 == "\n" } }
            let commands = Set(zip(words, words.dropFirst()).filter { $0.0 == "sluice" }.map { String($0.1) })
            #expect(commands.isSuperset(of: ["run", "check", "apply"]), "the README was read wrongly: \(commands)")
            for command in commands {
                let result = try SluiceCommand(socket: "/nowhere").run([command, "--help"])
                #expect(result.exitCode == 0, "\(command)")
                #expect(result.text.contains("USAGE: sluice \(command)"), "\(result)")
            }
        }
    }
}
