/// What went wrong in the harness or in a process it drives, in words that name the thing.
package struct TestKitError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// A system call that failed, with the error number the kernel gave.
package struct SystemCallError: Error, CustomStringConvertible {
    package let call: String
    package let errno: CInt

    package init(call: String, errno: CInt) {
        self.call = call
        self.errno = errno
    }

    package var description: String { "\(call): \(errorText(errno))" }
}
