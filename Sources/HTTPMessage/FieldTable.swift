/// One field line of a head: offsets into the bytes it was parsed from.
@usableFromInline
package struct Field: BitwiseCopyable, Sendable {
    /// Where the line begins: the first byte of the name.
    @usableFromInline package var nameStart: UInt16
    @usableFromInline package var nameLength: UInt16
    /// Without the white space around it.
    @usableFromInline package var valueStart: UInt16
    @usableFromInline package var valueLength: UInt16
    /// Just past the line's CRLF: where the next line begins.
    @usableFromInline package var lineEnd: UInt16
    @usableFromInline package var id: FieldID

    @inlinable
    package init(
        nameStart: Int, nameLength: Int, valueStart: Int, valueLength: Int, lineEnd: Int, id: FieldID
    ) {
        self.nameStart = UInt16(truncatingIfNeeded: nameStart)
        self.nameLength = UInt16(truncatingIfNeeded: nameLength)
        self.valueStart = UInt16(truncatingIfNeeded: valueStart)
        self.valueLength = UInt16(truncatingIfNeeded: valueLength)
        self.lineEnd = UInt16(truncatingIfNeeded: lineEnd)
        self.id = id
    }
}

/// The fields of the head parsed last: one table per worker, used again for each head.
@safe @usableFromInline
package struct FieldTable: ~Copyable {
    /// Field lines of one head at most; `limits.headers` lies below.
    @inlinable package static var capacity: Int { 256 }

    @usableFromInline let fields: UnsafeMutablePointer<Field>
    @usableFromInline package internal(set) var count = 0

    package init() { unsafe fields = .allocate(capacity: FieldTable.capacity) }

    deinit { unsafe fields.deallocate() }

    @inlinable
    package mutating func removeAll() { count = 0 }

    /// - Returns: Whether there was room.
    @inlinable
    package mutating func append(_ field: Field) -> Bool {
        guard count < FieldTable.capacity else { return false }
        unsafe fields[count] = field
        count += 1
        return true
    }

    /// The lines in a row, until the table changes.
    @inlinable
    package var lines: UnsafeBufferPointer<Field> { unsafe UnsafeBufferPointer(start: fields, count: count) }

    @inlinable
    package subscript(index: Int) -> Field {
        precondition(index >= 0 && index < count, "field \(index) of \(count)")
        return unsafe fields[index]
    }
}
