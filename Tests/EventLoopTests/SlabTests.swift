import EventLoop
import Testing

@Suite("Slab")
struct SlabTests {
    private func token(_ slab: borrowing Slab<Int>, _ slot: UInt32) -> Token {
        Token(kind: 1, slot: slot, generation: slab.generation(of: slot))
    }

    @Test("an element is found by its token and stays where it is")
    func finds() {
        var slab = Slab<Int>()
        guard let slot = slab.insert(41) else {
            Issue.record("no slot")
            return
        }
        let token = token(slab, slot)
        let address = slab[slot]
        for value in 0..<1000 { _ = slab.insert(value) }
        #expect(slab[slot] == address)
        slab[slot].pointee += 1
        #expect(slab.element(for: token)?.pointee == 42)
        #expect(slab.count == 1001)
    }

    @Test("a token of a retired slot is refused, also once the slot is used again")
    func stale() {
        var slab = Slab<Int>()
        guard let slot = slab.insert(1) else {
            Issue.record("no slot")
            return
        }
        let old = token(slab, slot)
        slab.retire(slot)
        #expect(slab.element(for: old) == nil)
        slab.reclaim()
        #expect(slab.insert(2) == slot)
        #expect(slab.element(for: old) == nil)
        #expect(slab.element(for: token(slab, slot))?.pointee == 2)
    }

    @Test("a token for a slot that never was is refused", arguments: [256, 257, 1 << 20, .max] as [UInt32])
    func strangers(slot: UInt32) {
        var slab = Slab<Int>()
        #expect(slab.element(for: Token(kind: 0, slot: 0, generation: 1)) == nil)
        _ = slab.insert(1)
        #expect(slab.element(for: Token(kind: 0, slot: slot, generation: 1)) == nil)
    }

    @Test("a retired slot is given out again only after the turn")
    func reclaims() {
        var slab = Slab<Int>()
        var used: Set<UInt32> = []
        for value in 0..<256 { if let slot = slab.insert(value) { used.insert(slot) } }
        #expect(used.count == 256)
        slab.retire(7)
        guard let next = slab.insert(0) else {
            Issue.record("no slot")
            return
        }
        #expect(!used.contains(next))
        slab.reclaim()
        #expect(slab.insert(0) == 7)
    }

    @Test("slots in use never collide", arguments: 0..<10 as Range<UInt64>)
    func random(seed: UInt64) {
        var numbers = SeededNumbers(seed: seed)
        var slab = Slab<UInt64>()
        var live: [UInt32: (value: UInt64, token: Token)] = [:]
        var dead: [Token] = []
        for step in 0..<5000 as Range<UInt64> {
            switch Int.random(in: 0..<10, using: &numbers) {
            case 0..<5:
                guard let slot = slab.insert(step) else {
                    Issue.record("no slot")
                    return
                }
                #expect(live[slot] == nil, "seed \(seed), step \(step)")
                live[slot] = (step, Token(kind: 0, slot: slot, generation: slab.generation(of: slot)))
            case 5..<9:
                guard let (slot, entry) = live.randomElement(using: &numbers) else { continue }
                slab.retire(slot)
                live[slot] = nil
                dead.append(entry.token)
            default: slab.reclaim()
            }
        }
        #expect(slab.count == live.count)
        for (_, entry) in live { #expect(slab.element(for: entry.token)?.pointee == entry.value, "seed \(seed)") }
        for token in dead { #expect(slab.element(for: token) == nil, "seed \(seed)") }
    }
}

@Suite("Token")
struct TokenTests {
    @Test("kind, slot and 24 bits of generation come out as they went in", arguments: [0, 1, 0xff_ffff] as [UInt32])
    func parts(generation: UInt32) {
        for kind in [0, 1, 255] as [UInt8] {
            for slot in [0, 1, 0xffff_ffff] as [UInt32] {
                let token = Token(kind: kind, slot: slot, generation: generation)
                #expect(token.kind == kind && token.slot == slot && token.generation == generation)
                #expect(Token(kind: kind, slot: slot, generation: generation | 0x100_0000) == token)
            }
        }
    }

    @Test("fetching ahead takes any slot, and changes nothing")
    func prefetch() {
        var slab = Slab<UInt64>()
        slab.prefetch(0)
        guard let slot = slab.insert(7) else {
            Issue.record("no slot")
            return
        }
        for other in [slot, slab.slotLimit - 1, slab.slotLimit, .max] { slab.prefetch(other) }
        #expect(slab[slot].pointee == 7)
    }
}
