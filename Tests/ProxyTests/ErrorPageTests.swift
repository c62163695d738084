import Snapshot
import Testing

@testable import Proxy

@Suite("Pages of errors")
struct ErrorPageTests {
    private let arena = Arena()

    private func page(_ text: String, _ statuses: ClosedRange<Int> = 404...404) -> ErrorPage {
        ErrorPage(statuses: statuses, contentType: "text/html", body: Array(text.utf8))
    }

    private func answer(_ body: String, hasBody: Bool = true) -> String {
        var writer = HeadWriter()
        var date = DateText()
        date.update(784_111_777)
        let id = AnswerID(RequestID(high: 0, low: 0), given: arena.make("abc"))
        writer.append(
            CompiledErrorPage(page(body), arena: arena), status: 404, id: id, date: date, closes: false,
            hasBody: hasBody)
        return text(of: writer)
    }

    @Test("status and id are filled in, other braces are text")
    func variables() {
        let body = "<style>a{b:c}</style>{status} {request_id}{status{status}"
        let filled = "<style>a{b:c}</style>404 abc{status404"
        let head = """
            \r\nContent-Type: text/html\r\nContent-Length: \(filled.utf8.count)\r\n\
            Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-Request-Id: abc\r\n\r\n
            """
        #expect(answer(body) == head + filled)
        #expect(answer(body, hasBody: false) == head)
    }

    @Test("a page of one status comes before one of its class, whatever their order")
    func order() {
        let pages = CompiledErrorPages(
            [page("class", 400...499), page("one", 404...404), page("last", 499...499)], arena: arena)
        func length(_ status: Int) -> Int? { pages.page(for: status)?.pointee.length(idLength: 3) }
        #expect(length(404) == 3)
        #expect(length(400) == 5)
        #expect(length(498) == 5)
        #expect(length(499) == 4)
        #expect(length(399) == nil)
        #expect(length(500) == nil)
    }
}
