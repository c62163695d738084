import EventLoop
import Testing

@testable import Proxy

@Suite("Connections by source")
struct SourceTableTests {
    @Test("so many connections of one source, and not one more", arguments: [1, 2, 100])
    func limit(max: UInt32) {
        let table = SourceTable()
        for port in 1...UInt16(max) { #expect(table.enter(IPEndpoint(v4: 0x0a00_0001, port: port), max: max)) }
        #expect(!table.enter(IPEndpoint(v4: 0x0a00_0001, port: 9999), max: max))
        #expect(table.enter(IPEndpoint(v4: 0x0a00_0002, port: 1), max: max), "another source has its own")
        table.leave(IPEndpoint(v4: 0x0a00_0001, port: 1))
        #expect(table.enter(IPEndpoint(v4: 0x0a00_0001, port: 1), max: max))
        #expect(!table.enter(IPEndpoint(v4: 0x0a00_0001, port: 1), max: max))
    }

    @Test("a listener with a bound of its own counts apart")
    func scopes() {
        let table = SourceTable()
        let address = IPEndpoint(v4: 0x0a00_0001, port: 1)
        #expect(table.enter(address, max: 1))
        #expect(table.enter(address, in: 3, max: 1))
        #expect(!table.enter(address, in: 3, max: 1))
        #expect(!table.enter(address, max: 1))
        table.leave(address, in: 3)
        #expect(table.enter(address, in: 3, max: 1))
        #expect(!table.enter(address, max: 1))
    }

    @Test("a source without connections takes no memory")
    func forgets() {
        let table = SourceTable()
        for number in 0..<1000 as Range<UInt32> { #expect(table.enter(IPEndpoint(v4: number, port: 1), max: 1)) }
        #expect(table.count == 1000)
        for number in 0..<1000 as Range<UInt32> { table.leave(IPEndpoint(v4: number, port: 1)) }
        #expect(table.count == 0)
    }

    @Test("an IPv6 source is its first 64 bits, and never an IPv4 one")
    func families() {
        let table = SourceTable()
        #expect(table.enter(IPEndpoint("[2001:db8::1]:1")!, max: 1))
        #expect(!table.enter(IPEndpoint("[2001:db8::ffff:2]:1")!, max: 1))
        #expect(table.enter(IPEndpoint("[2001:db8:0:1::1]:1")!, max: 1))
        #expect(table.enter(IPEndpoint("[::2]:1")!, max: 1))
        #expect(table.enter(IPEndpoint("0.0.0.0:1")!, max: 1))
    }
}
