/// ClientHellos (RFC 8446 §4.1.2), whole and as they come. libFuzzer calls this with each input.
@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let whole = ClientHello.read(input.span)
    for length in 0..<count {
        let part = ClientHello.read(Array(input.prefix(length)).span)
        // More bytes complete or break a message that isn't whole; they change nothing that was said.
        if part != .incomplete && part != whole { fatalError("\(length) bytes: \(part), all: \(whole)") }
    }
    return 0
}
