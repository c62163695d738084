import EventLoop
import NodeAgent
import NodeLink
import Testing

@Suite("VoteBook")
struct VoteBookTests {
    private func key(_ number: Int) -> EndpointKey {
        EndpointKey(pool: "app", address: SocketAddress("10.0.0.\(number):9000")!)
    }

    private func vote(
        _ number: Int, _ verdict: EndpointVote.Verdict, ejection: String? = nil, reason: String = ""
    ) -> EndpointVote {
        EndpointVote(
            pool: "app", address: key(number).address, verdict: verdict, ejection: ejection, reason: reason)
    }

    @Test("what has changed is said once; what is known is said again to whoever asks for all")
    func changes() {
        var book = VoteBook()
        book.probed(key(1), .up)
        book.probed(key(2), .down, reason: "closed")
        #expect(book.takeUnsent() == [vote(1, .up), vote(2, .down, reason: "closed")])
        #expect(book.takeUnsent() == [])
        book.probed(key(1), .up)
        #expect(book.takeUnsent() == [], "nothing new")
        book.ejected(key(1), for: "success-rate")
        #expect(book.takeUnsent() == [vote(1, .up, ejection: "success-rate")])
        #expect(book.takeAll() == [vote(1, .up, ejection: "success-rate"), vote(2, .down, reason: "closed")])
    }

    @Test("all includes what was not sent yet, which is not sent again")
    func all() {
        var book = VoteBook()
        book.probed(key(1), .up)
        #expect(book.takeAll() == [vote(1, .up)])
        #expect(book.takeUnsent() == [])
    }

    @Test("an endpoint that isn't probed any more is withdrawn; its ejection stays")
    func withdrawn() {
        var book = VoteBook()
        for number in 1...3 { book.probed(key(number), .up) }
        book.ejected(key(2), for: "consecutive-errors")
        _ = book.takeUnsent()
        book.keepVerdicts(of: [key(3)])
        #expect(book.takeUnsent() == [vote(1, .unknown), vote(2, .unknown, ejection: "consecutive-errors")])
        #expect(book.takeAll() == [vote(2, .unknown, ejection: "consecutive-errors"), vote(3, .up)])
    }
}
