/// What the values of a pool's session cookie stand for.
///
/// A value is derived from the endpoint's identity (pool and address) and a key: every worker and node finds the same one, after
/// any restart, and nobody has to store it. Without the key neither can an address be read from a value nor a value be made.
///
/// Made off the workers and never changed; workers read it through `Lookup`, a plain value that the table must outlive.
@safe
package final class StickyTable: @unchecked Sendable {
    // `@unchecked`: the memory behind the pointer is written in `init` only, freed in `deinit` only.

    /// Bytes of a value: a 64-bit number in lower-case hexadecimal digits.
    package static let valueCount = 16

    package let lookup: Lookup

    /// - Parameters:
    ///   - pool: The pool's name.
    ///   - endpoints: Address as text, and the number that `Lookup` gives for it.
    ///   - key: The same at every node.
    package init(pool: String, endpoints: [(address: String, number: UInt32)], key: String) {
        let hash = SipHash(keyText: key)
        let entries = endpoints.map { endpoint in
            Entry(
                value: StickyTable.value(hash, pool: pool, address: endpoint.address), number: endpoint.number)
        }
        var capacity = 4
        while capacity < endpoints.count * 2 { capacity *= 2 }
        unsafe lookup = Lookup(
            byValue: StickyTable.make(entries, capacity: capacity) { $0.value },
            byNumber: StickyTable.make(entries, capacity: capacity) { Hash64.mix(UInt64($0.number)) },
            mask: capacity - 1)
    }

    deinit {
        unsafe lookup.byValue.deallocate()
        unsafe lookup.byNumber.deallocate()
    }

    /// A hash table with open addressing, at most half full.
    private static func make(
        _ entries: [Entry], capacity: Int, hash: (Entry) -> UInt64
    ) -> UnsafeMutablePointer<Entry> {
        let table = UnsafeMutablePointer<Entry>.allocate(capacity: capacity)
        unsafe table.initialize(repeating: Entry(value: 0, number: .max), count: capacity)
        for entry in entries {
            var place = Int(truncatingIfNeeded: hash(entry)) & (capacity - 1)
            while unsafe table[place].number != .max { place = (place + 1) & (capacity - 1) }
            unsafe table[place] = entry
        }
        return unsafe table
    }

    static func value(_ hash: SipHash, pool: String, address: String) -> UInt64 {
        hash.hash(Array(pool.utf8) + [0] + Array(address.utf8))
    }

    struct Entry: BitwiseCopyable {
        var value: UInt64
        /// `UInt32.max`: free.
        var number: UInt32
    }

    @safe
    package struct Lookup: BitwiseCopyable, Sendable {
        fileprivate nonisolated(unsafe) let byValue: UnsafeMutablePointer<Entry>
        fileprivate nonisolated(unsafe) let byNumber: UnsafeMutablePointer<Entry>
        fileprivate let mask: Int

        /// The number of the endpoint that a cookie's value stands for; nil for any other text.
        package func number(of text: Span<UInt8>) -> UInt32? {
            guard text.count == StickyTable.valueCount else { return nil }
            var value: UInt64 = 0
            for index in 0..<text.count {
                let byte = text[index]
                let digit: UInt8
                switch byte {
                case 0x30...0x39: digit = byte - 0x30
                case 0x61...0x66: digit = byte - 0x61 + 10
                default: return nil
                }
                value = value << 4 | UInt64(digit)
            }
            var place = Int(truncatingIfNeeded: value) & mask
            while true {
                let entry = unsafe byValue[place]
                if entry.number == .max { return nil }
                if entry.value == value { return entry.number }
                place = (place + 1) & mask
            }
        }

        /// The value that stands for an endpoint; nil when the pool hasn't it.
        package func value(of number: UInt32) -> UInt64? {
            var place = Int(truncatingIfNeeded: Hash64.mix(UInt64(number))) & mask
            while true {
                let entry = unsafe byNumber[place]
                if entry.number == .max { return nil }
                if entry.number == number { return entry.value }
                place = (place + 1) & mask
            }
        }
    }
}
