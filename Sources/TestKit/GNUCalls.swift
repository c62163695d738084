import Glibc

/// Calls that the C library has and Swift's `Glibc` module hides (they need `_GNU_SOURCE`), looked up by name.
enum GNUCalls {
    private typealias Accept4 =
        @convention(c) (
            CInt, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?, CInt
        ) -> CInt
    private typealias MemoryFind =
        @convention(c) (
            UnsafeRawPointer, Int, UnsafeRawPointer, Int
        ) -> UnsafeMutableRawPointer?

    private static let accept4: Accept4 = lookUp("accept4")
    private static let memmem: MemoryFind = lookUp("memmem")

    /// `accept4` with `SOCK_CLOEXEC`: a child started at that moment must not inherit the connection.
    static func accept(_ listener: CInt) -> CInt {
        accept4(listener, nil, nil, CInt(SOCK_CLOEXEC.rawValue))
    }

    /// The offset of `needle` in `bytes`; nil when it isn't there.
    static func offset(of needle: StaticString, in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress,
            let found = memmem(start, bytes.count, needle.utf8Start, needle.utf8CodeUnitCount)
        else { return nil }
        return UnsafeRawPointer(found) - start
    }

    private static func lookUp<Function>(_ name: String) -> Function {
        guard let address = dlsym(nil, name) else { preconditionFailure("the C library has no \(name)") }
        return unsafeBitCast(address, to: Function.self)
    }
}
