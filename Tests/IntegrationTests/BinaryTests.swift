import Foundation
import TestKit
import Testing

extension IntegrationTests {
    @Suite("What sluice-node links")
    struct BinaryTests {
        @Test("no shared Swift library: it runs where no toolchain is")
        func sharedLibraries() throws {
            let needed = try Command.succeed(["readelf", "--dynamic", "--wide", Binaries.sluiceNode()])
                .split(separator: "\n").filter { $0.contains("(NEEDED)") }
                .compactMap { $0.split(separator: "[").last?.split(separator: "]").first.map(String.init) }
            #expect(!needed.isEmpty, "readelf was read wrongly")
            for library in needed {
                #expect(!library.hasPrefix("libswift"), "\(library)")
                #expect(!library.lowercased().contains("foundation"), "\(library)")
                #expect(!library.hasPrefix("lib_Internal"), "\(library)")
            }
        }

        @Test(
            "neither Foundation nor NIO inside",
            arguments: [
                // The mangled form of a module's name: length, then name, after `$s`.
                "$s10Foundation", "$s20FoundationEssentials", "$s7NIOCore", "$s8NIOPosix", "$s8NIOHTTP1",
                "$s11Hummingbird",
                "$s4Yams", "$s14ArgumentParser",
            ])
        func modules(prefix: String) throws {
            let symbols = try symbols(of: Binaries.sluiceNode())
            let found = symbols.filter { $0.contains(prefix) }.prefix(3)
            #expect(found.isEmpty, "\(found)")
        }

        @Test("the search for symbols finds what is there")
        func searchWorks() throws {
            // `sluice` has its own libraries: were nothing found there, the test above would prove nothing.
            let symbols = try symbols(of: Binaries.sluice())
            #expect(symbols.contains { $0.contains("$s7NIOCore") })
            let node = try self.symbols(of: Binaries.sluiceNode())
            #expect(node.contains { $0.contains("$s9EventLoop") })
        }

        /// The symbol table; in a stripped binary, what looks like a mangled name.
        private func symbols(of path: String) throws -> [Substring] {
            let table = try Command.run(["nm", path], within: .seconds(60)).text
            let text = table.isEmpty ? try Command.succeed(["strings", path], within: .seconds(60)) : table
            return text.split(separator: "\n").filter { $0.contains("$s") }
        }
    }
}
