import EventLoop
import Testing

@Suite("Mailbox")
struct MailboxTests {
    /// Several threads post, this one waits as a loop does; a lost wake-up shows as a wait that ends without events.
    @Test("nothing is lost and each poster's order is kept", arguments: 1...3)
    func threads(posters: Int) throws {
        let each = 20_000
        let mailbox = Mailbox<(poster: Int, number: Int)>()
        var poller = try Poller()
        try poller.add(mailbox.descriptor, Token(kind: 0, slot: 0, generation: 0), .level)
        for poster in 0..<posters {
            Thread.start("poster") { for number in 0..<each { mailbox.post((poster, number)) } }
        }
        var next = [Int](repeating: 0, count: posters)
        while next.reduce(0, +) < posters * each {
            guard poller.wait(timeoutMilliseconds: 10_000) > 0 else {
                Issue.record("no wake-up with \(next) of \(each) taken")
                return
            }
            for message in mailbox.takeAll() {
                #expect(message.number == next[message.poster])
                next[message.poster] = message.number + 1
            }
        }
        // A poster may still be about to write its last wake-up; then the box is found empty.
        #expect(mailbox.takeAll().isEmpty)
    }

    @Test("an empty mailbox doesn't wake")
    func quiet() throws {
        let mailbox = Mailbox<Int>()
        var poller = try Poller()
        try poller.add(mailbox.descriptor, Token(kind: 0, slot: 0, generation: 0), .level)
        #expect(poller.wait(timeoutMilliseconds: 0) == 0)
        mailbox.post(1)
        mailbox.post(2)
        #expect(poller.wait(timeoutMilliseconds: 0) == 1)
        #expect(poller.wait(timeoutMilliseconds: 0) == 1)
        #expect(mailbox.takeAll() == [1, 2])
        #expect(poller.wait(timeoutMilliseconds: 0) == 0)
    }
}
