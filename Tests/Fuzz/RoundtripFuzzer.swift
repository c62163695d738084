/// What composers make of heads and bodies (RFC 9112 §11): libFuzzer calls this with each input.
@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    let fault = RoundTrip.requestFault(input) ?? RoundTrip.responseFault(input) ?? RoundTrip.chunkedFault(input)
    if let fault { fatalError(fault) }
    return 0
}
