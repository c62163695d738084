/// ClientHellos (RFC 8446 §4.1.2), whole and as they come. libFuzzer calls this with each input.
@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    if let fault = HelloInvariants.fault(input) { fatalError(fault) }
    return 0
}
