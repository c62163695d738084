/// Writes the value of `Location` (RFC 9110 §10.2.2).
enum LocationWriter {
    /// What a variable brings in can neither end the line nor lead to another host: bytes that no URI may hold are
    /// escaped, and a reference that begins with a slash has exactly one, for `//` would begin a host
    /// (RFC 3986 §4.2). A question mark that nothing follows is left out.
    static func write(_ location: CompiledTemplate, _ request: RequestView, into out: inout HeadWriter) {
        let start = out.count
        request.write(location, in: .uri, to: &out)
        guard out.count > start else { return }
        if out[start] == 0x2f {
            var end = start + 1
            while end < out.count, out[end] == 0x2f { end += 1 }
            out.remove(start + 1..<end)
        }
        if out[out.count - 1] == 0x3f { out.remove(out.count - 1..<out.count) }
    }
}
