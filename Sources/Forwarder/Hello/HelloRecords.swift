/// How far the records have come that carry a client's first message (RFC 8446 §5.1): it may be spread over several, and
/// each over many reads. Goes on where it stood, so that a byte is looked at once however few come at a time.
struct HelloRecords: BitwiseCopyable, Equatable {
    enum Outcome: Equatable {
        /// All bytes so far are those of a ClientHello, which isn't whole yet.
        case incomplete
        case complete
        /// No ClientHello.
        case malformed
        /// One beyond `messageBytesMax` or `bytesMax`.
        case tooLarge
    }

    /// Of the message. Real ones have 200 to 2,000; OpenSSL takes 16 KiB in its default build at most.
    static let messageBytesMax = 16 * 1024
    /// With the headers of its records: those with next to nothing in them would make a short message a long wait.
    static let bytesMax = 2 * messageBytesMax
    /// Type and length of the message.
    static let headBytes = 4
    /// Type, version and length of a record.
    static let recordHeadBytes = 5
    /// `TLSPlaintext.length`, RFC 8446 §5.1.
    private static let recordBytesMax = 16 * 1024

    /// Bytes that have been looked at.
    private var position = 0
    /// Where the record under way ends.
    private var recordEnd = 0
    private var recordCount = 0
    /// Of the message: bytes that have been seen, and all, which is 0 before its head has been read.
    private var seenCount = 0
    private(set) var messageCount = 0

    /// Whether the message stands in one piece behind the header of its only record.
    var isInOneRecord: Bool { recordCount == 1 }

    /// - Parameter received: Everything from the connection's first byte on; no less than last time.
    mutating func advance(_ received: Span<UInt8>) -> Outcome {
        while true {
            if position == recordEnd {
                if let outcome = openRecord(received) { return outcome }
            }
            let end = min(recordEnd, received.count)
            while position < end && seenCount < HelloRecords.headBytes {
                let byte = received[position]
                if seenCount == 0 && byte != 1 { return .malformed }
                if seenCount > 0 { messageCount = messageCount << 8 | Int(byte) }
                position += 1
                seenCount += 1
                guard seenCount == HelloRecords.headBytes else { continue }
                messageCount += HelloRecords.headBytes
                if messageCount > HelloRecords.messageBytesMax { return .tooLarge }
            }
            seenCount += end - position
            position = end
            if seenCount >= HelloRecords.headBytes && seenCount >= messageCount { return .complete }
            if position < recordEnd { return .incomplete }
        }
    }

    /// - Returns: nil when the record's header is there and good.
    private mutating func openRecord(_ received: Span<UInt8>) -> Outcome? {
        let count = received.count - position
        // Handshake, and a version of SSL 3 or TLS, whatever it is (RFC 8446 §5.1).
        if count > 0 && received[position] != 0x16 { return .malformed }
        if count > 1 && received[position + 1] != 3 { return .malformed }
        guard count >= HelloRecords.recordHeadBytes else { return .incomplete }
        let length = Int(received[position + 3]) << 8 | Int(received[position + 4])
        guard length > 0, length <= HelloRecords.recordBytesMax else { return .malformed }
        position += HelloRecords.recordHeadBytes
        recordEnd = position + length
        recordCount += 1
        return recordEnd > HelloRecords.bytesMax ? .tooLarge : nil
    }

    /// Copies a complete message out of its records.
    ///
    /// - Parameters:
    ///   - received: As at the last `advance`.
    ///   - out: Has room for `messageBytesMax`; gets `messageCount` bytes.
    @unsafe
    func gather(_ received: Span<UInt8>, into out: UnsafeMutablePointer<UInt8>) {
        var start = 0
        var count = 0
        while count < messageCount {
            let length = Int(received[start + 3]) << 8 | Int(received[start + 4])
            start += HelloRecords.recordHeadBytes
            for index in start..<start + min(length, messageCount - count) {
                unsafe out[count] = received[index]
                count += 1
            }
            start += length
        }
    }
}
