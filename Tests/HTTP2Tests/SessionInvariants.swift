/// What holds of a server's session, whatever a client sends after the preface.
enum SessionInvariants {
    /// - Returns: What doesn't hold; nil when everything does.
    static func fault(_ bytes: [UInt8]) -> String? {
        let whole = run(bytes, piece: .max)
        if let fault = whole.fault { return fault }
        let pieces = run(bytes, piece: 7)
        if let fault = pieces.fault { return fault }
        return whole.heads == pieces.heads ? nil : "\(whole.heads) in one piece, \(pieces.heads) in pieces"
    }

    private static func run(_ bytes: [UInt8], piece: Int) -> (heads: [String], fault: String?) {
        let bench = SessionBench()
        bench.receive(bytes, piece: piece)
        var fault: String?
        for text in bench.blocks { fault = fault ?? check(text) }
        // Every stream that is still open can be answered, and the answer's frames are well-formed.
        for stream in bench.records.keys.sorted() where bench.isOpen(stream) {
            if bench.respond(stream, "HTTP/1.1 200 OK||", endsStream: false) { _ = bench.send(stream, "x", ends: true) }
        }
        return (bench.heads(), fault)
    }

    /// A head is lines that end in CRLF and an empty one at the very end: nothing in it can pass for another message.
    private static func check(_ block: [UInt8]) -> String? {
        var lineStart = 0
        for (index, byte) in block.enumerated() {
            switch byte {
            case 0x0a:
                guard index > 0, block[index - 1] == 0x0d else { return "a bare LF in \(block)" }
                if index - 1 == lineStart && index != block.count - 1 { return "an empty line inside \(block)" }
                lineStart = index + 1
            case 0x0d:
                guard index + 1 < block.count, block[index + 1] == 0x0a else { return "a bare CR in \(block)" }
            case 0: return "NUL in \(block)"
            default: break
            }
        }
        return lineStart == block.count ? nil : "a line without an end in \(block)"
    }
}
