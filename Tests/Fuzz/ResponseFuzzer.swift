/// Response heads (RFC 9112 §4, §5). libFuzzer calls this with each input.
@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    if let fault = HeadInvariants.responseFault(input) { fatalError(fault) }
    return 0
}
