import Glibc

/// A kernel descriptor with one owner; closed exactly once.
package struct OwnedDescriptor: ~Copyable {
    package let rawValue: CInt

    package init(adopting rawValue: CInt) {
        precondition(rawValue >= 0, "adopting an invalid descriptor")
        self.rawValue = rawValue
    }

    /// Gives the descriptor up without closing it.
    package consuming func release() -> CInt {
        let raw = rawValue
        discard self
        return raw
    }

    deinit { _ = close(rawValue) }
}

/// A system call that failed for a reason its caller must act on.
package struct SocketError: Error, Equatable, CustomStringConvertible {
    package let call: StaticString
    package let code: CInt

    package init(call: StaticString, code: CInt) {
        self.call = call
        self.code = code
    }

    package static func == (left: SocketError, right: SocketError) -> Bool {
        left.code == right.code && left.call.description == right.call.description
    }

    /// `bind: Address already in use (98)`
    package var description: String { "\(call): \(unsafe String(cString: strerror(code))) (\(code))" }
}
