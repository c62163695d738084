import Snapshot

/// The pages of a route or of the site for answers that the proxy makes itself.
@safe
struct CompiledErrorPages: BitwiseCopyable {
    private let pages: UnsafeMutablePointer<CompiledErrorPage>
    private let count: Int

    /// A page of one status comes before those of a class.
    init(_ pages: [ErrorPage], arena: Arena) {
        let ordered = pages.filter { $0.statuses.count == 1 } + pages.filter { $0.statuses.count > 1 }
        unsafe self.pages = arena.make(ordered.map { CompiledErrorPage($0, arena: arena) })
        count = ordered.count
    }

    /// The page for a status; nil for none.
    func page(for status: Int) -> UnsafePointer<CompiledErrorPage>? {
        for index in 0..<count where unsafe pages[index].first <= status && status <= pages[index].last {
            return unsafe UnsafePointer(pages + index)
        }
        return nil
    }
}

@safe
struct CompiledErrorPage: BitwiseCopyable {
    enum Piece: BitwiseCopyable {
        case text(Bytes)
        case status
        case requestID
    }
    let first: Int
    let last: Int
    /// Empty for none.
    let contentType: Bytes
    private let pieces: UnsafeMutablePointer<Piece>
    let pieceCount: Int

    init(_ page: ErrorPage, arena: Arena) {
        first = page.statuses.lowerBound
        last = page.statuses.upperBound
        contentType = arena.make(page.contentType)
        var pieces: [Piece] = []
        var text: [UInt8] = []
        var rest = page.body[...]
        func flush() {
            if !text.isEmpty { pieces.append(.text(arena.make(bytes: text))) }
            text = []
        }
        while let byte = rest.first {
            if byte == 0x7b, rest.starts(with: "{status}".utf8) {
                flush()
                pieces.append(.status)
                rest = rest.dropFirst(8)
            } else if byte == 0x7b, rest.starts(with: "{request_id}".utf8) {
                flush()
                pieces.append(.requestID)
                rest = rest.dropFirst(12)
            } else {
                text.append(byte)
                rest = rest.dropFirst()
            }
        }
        flush()
        unsafe self.pieces = arena.make(pieces)
        pieceCount = pieces.count
    }

    subscript(index: Int) -> Piece {
        precondition(index >= 0 && index < pieceCount)
        return unsafe pieces[index]
    }

    /// Bytes of the body when ids have so many.
    func length(idLength: Int) -> Int {
        var length = 0
        for index in 0..<pieceCount {
            switch self[index] {
            case .text(let text): length += text.count
            case .status: length += 3
            case .requestID: length += idLength
            }
        }
        return length
    }
}
