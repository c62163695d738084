import Glibc

/// The C library's text for an error number: "Connection refused (111)".
func errorText(_ code: CInt) -> String {
    guard let text = strerror(code) else { return "error \(code)" }
    return "\(String(cString: text)) (\(code))"
}
