/// The `X-Request-Id` of an answer: what a trusted peer gave, else our own.
@safe
struct AnswerID {
    private let made: RequestID
    private let given: Bytes?

    init(_ made: RequestID, given: Bytes? = nil) {
        self.made = made
        self.given = given
    }

    /// Bytes of its text.
    var length: Int { given?.count ?? 32 }

    func write(to out: inout HeadWriter) {
        if let given { out.append(given) } else { out.append(made) }
    }
}

extension HeadWriter {
    mutating func append(_ id: AnswerID) { id.write(to: &self) }

    /// What follows the status line of an answer with a page of the site.
    mutating func append(
        _ page: CompiledErrorPage, status: Int, id: AnswerID, date: borrowing DateText, closes: Bool, hasBody: Bool
    ) {
        if page.contentType.count > 0 {
            append("\r\nContent-Type: ")
            append(page.contentType)
        }
        append("\r\nContent-Length: ")
        append(decimal: page.length(idLength: id.length))
        append("\r\nDate: ")
        date.write(to: &self)
        append("\r\nX-Request-Id: ")
        append(id)
        append(closes ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n")
        endHead()
        guard hasBody else { return }
        for index in 0..<page.pieceCount {
            switch page[index] {
            case .text(let text): append(text)
            case .status: append(decimal: status)
            case .requestID: append(id)
            }
        }
    }
}
