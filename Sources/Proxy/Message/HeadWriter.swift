import EventLoop
import Glibc

/// Composes one outgoing head in a worker's scratch memory. A head that doesn't fit is seen at the end.
@safe
struct HeadWriter: ~Copyable {
    /// A received head of the largest size and everything rules may add.
    static let capacity = 256 * 1024

    private let memory: UnsafeMutablePointer<UInt8>
    private(set) var count = 0
    /// The part of `count` before a body of our own.
    private(set) var headCount = 0
    /// Something didn't fit; the head must not be sent.
    private(set) var isOverfull = false

    init() { unsafe memory = .allocate(capacity: HeadWriter.capacity) }

    deinit { unsafe memory.deallocate() }

    var bytes: UnsafePointer<UInt8> { unsafe UnsafePointer(memory) }

    mutating func reset() {
        count = 0
        isOverfull = false
    }

    /// What follows is body.
    mutating func endHead() { headCount = count }

    @inline(__always)
    mutating func append(_ source: UnsafePointer<UInt8>, _ length: Int) {
        guard length <= HeadWriter.capacity - count else {
            isOverfull = true
            return
        }
        unsafe memcpy(memory + count, source, length)
        count += length
    }

    @inline(__always)
    mutating func append(_ text: StaticString) {
        unsafe append(text.utf8Start, text.utf8CodeUnitCount)
    }

    mutating func append(_ text: Bytes) { unsafe append(text.base, text.count) }

    mutating func append(byte: UInt8) {
        guard count < HeadWriter.capacity else {
            isOverfull = true
            return
        }
        unsafe memory[count] = byte
        count += 1
    }

    /// Of a response's head that was written: its status, and where its field lines begin.
    var statusLine: (status: Int, end: Int) {
        let digits = "HTTP/1.1 ".utf8.count
        precondition(count >= digits + 5, "a head of \(count) bytes")
        var status = 0
        for index in digits..<digits + 3 { unsafe status = status * 10 + Int(memory[index] &- 0x30) }
        guard let end = unsafe memchr(memory + digits, 0x0a, count - digits) else {
            preconditionFailure("a head without lines")
        }
        return unsafe (status, end - UnsafeMutableRawPointer(memory) + 1)
    }

    /// A byte that was written.
    subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count)
        return unsafe memory[index]
    }

    /// Takes bytes out of what was written.
    mutating func remove(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count)
        unsafe memmove(memory + range.lowerBound, memory + range.upperBound, count - range.upperBound)
        count -= range.count
    }

    /// The normal form of a path, which is never longer than the path.
    mutating func append(normalPath path: UnsafePointer<UInt8>, _ length: Int) {
        guard length <= HeadWriter.capacity - count else {
            isOverfull = true
            return
        }
        unsafe count += NormalPath.write(path, length, to: memory + count)
    }

    mutating func append(_ address: IPEndpoint) {
        guard IPEndpoint.hostTextBytesMax <= HeadWriter.capacity - count else {
            isOverfull = true
            return
        }
        unsafe count += address.writeHost(to: memory + count)
    }

    /// Address and port as in `Host`.
    mutating func append(authority address: IPEndpoint) {
        let isV6 = address.family == .v6
        if isV6 { append("[") }
        append(address)
        append(isV6 ? "]:" : ":")
        append(decimal: Int(address.port))
    }

    mutating func append(decimal number: Int) {
        guard 20 <= HeadWriter.capacity - count else {
            isOverfull = true
            return
        }
        var digits = 1
        var limit = 10
        while number >= limit && digits < 18 {
            digits += 1
            limit *= 10
        }
        var rest = number
        for index in (0..<digits).reversed() {
            unsafe memory[count + index] = UInt8(0x30 + rest % 10)
            rest /= 10
        }
        count += digits
    }

    /// 32 lower-case hex digits.
    mutating func append(_ id: RequestID) {
        guard 32 <= HeadWriter.capacity - count else {
            isOverfull = true
            return
        }
        unsafe id.write(to: memory + count)
        count += 32
    }
}

/// 128 random bits that name a request in logs and `X-Request-Id`.
struct RequestID: BitwiseCopyable {
    var high: UInt64 = 0
    var low: UInt64 = 0

    func write(to out: UnsafeMutablePointer<UInt8>) {
        unsafe RequestID.writeHex(high, to: out)
        unsafe RequestID.writeHex(low, to: out + 16)
    }

    private static func writeHex(_ word: UInt64, to out: UnsafeMutablePointer<UInt8>) {
        var rest = word
        for index in 0..<16 {
            rest = rest << 4 | rest >> 60
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            unsafe out[index] = digit < 10 ? 0x30 + digit : 0x57 + digit
        }
    }
}
