import Glibc
import HTTPMessage

/// Text that lives as long as its `Arena`: a plain value that compiled tables hold.
@safe
struct Bytes: BitwiseCopyable {
    let base: UnsafePointer<UInt8>
    let count: Int

    init(base: UnsafePointer<UInt8>, count: Int) {
        unsafe self.base = unsafe base
        self.count = count
    }

    var string: String {
        unsafe String(decoding: UnsafeBufferPointer(start: base, count: count), as: UTF8.self)
    }

    func equals(_ other: UnsafePointer<UInt8>, count otherCount: Int) -> Bool {
        unsafe count == otherCount && memcmp(base, other, count) == 0
    }

    /// Without regard to case; these bytes must be lower case, the others `tchar`.
    func equalsIgnoringCase(_ other: UnsafePointer<UInt8>, count otherCount: Int) -> Bool {
        guard count == otherCount else { return false }
        for index in 0..<count {
            let byte = unsafe other[index]
            let folded = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
            if unsafe folded != base[index] { return false }
        }
        return true
    }

    /// Whether both name the same field to a gateway that makes variables of names: without regard to case, `_` and
    /// other separators like `-`. Both must be `tchar`.
    func resembles(_ other: UnsafePointer<UInt8>, count otherCount: Int) -> Bool {
        guard count == otherCount else { return false }
        for index in 0..<count {
            if unsafe HTTPSyntax.foldedName(base[index]) != HTTPSyntax.foldedName(other[index]) { return false }
        }
        return true
    }
}

/// Owns the memory of compiled tables; all of it is freed at once.
@safe
final class Arena {
    private var blocks: [UnsafeMutableRawPointer] = unsafe []

    deinit { for index in unsafe blocks.indices { unsafe blocks[index].deallocate() } }

    func make(_ text: String) -> Bytes { make(bytes: [UInt8](text.utf8)) }

    func make(bytes: [UInt8]) -> Bytes {
        let base = unsafe make(bytes)
        return unsafe Bytes(base: base, count: bytes.count)
    }

    /// A copy of the elements; at least one element's room, so that the address is never nil.
    func make<Element>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
        let base = UnsafeMutablePointer<Element>.allocate(capacity: max(elements.count, 1))
        unsafe base.initialize(from: elements, count: elements.count)
        unsafe blocks.append(UnsafeMutableRawPointer(base))
        return unsafe base
    }
}
