/// What a client sends on an HTTP/2 connection (RFC 9113). libFuzzer calls this with each input.
@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    if let fault = SessionInvariants.fault(input) { fatalError(fault) }
    return 0
}
