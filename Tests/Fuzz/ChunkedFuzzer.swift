/// Chunked bodies (RFC 9112 §7.1), whole and in pieces. libFuzzer calls this with each input.
@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    if let fault = ChunkedRun.fault(input) { fatalError(fault) }
    return 0
}
