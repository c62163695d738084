package import EventLoop
import Glibc

/// What a worker knows of one request when it has ended: the fixed part of a record, with the texts behind it.
///
/// In the ring: this struct, then each text of `AccessTexts` as a `UInt16` length and its bytes. Nothing is formatted
/// or escaped by the worker.
package struct AccessRecord: BitwiseCopyable, Sendable {
    /// Stands for a time that never came.
    @inlinable package static var never: UInt64 { .max }
    /// `minorVersion` of a request whose first line could not be read.
    package static let noVersion: UInt8 = 0xff
    /// `minorVersion` of a request that came by HTTP/2.
    package static let http2: UInt8 = 20

    /// Nanoseconds of `CLOCK_MONOTONIC`.
    package var startedAt: UInt64 = 0
    /// Nanoseconds each; the last two may be `never`.
    package var duration: UInt64 = 0
    package var connectTime = never
    package var headTime = never
    package var bytesIn: UInt64 = 0
    /// Heads and body; `headBytesOut` is the heads' part.
    package var bytesOut: UInt64 = 0
    package var headBytesOut: UInt64 = 0
    /// The request id that the node made; a text stands in its place when a trusted client sent one.
    package var idHigh: UInt64 = 0
    package var idLow: UInt64 = 0
    package var client: IPEndpoint
    package var status: UInt16 = 0
    package var attempts: UInt8 = 0
    package var minorVersion = noVersion
    package var termination = Termination.unknown
    /// Parts of the text `requestLine`; a query of 0 bytes is none.
    package var methodLength: UInt16 = 0
    package var pathStart: UInt16 = 0
    package var pathLength: UInt16 = 0
    package var queryStart: UInt16 = 0
    package var queryLength: UInt16 = 0

    package init(client: IPEndpoint) { self.client = client }
}

/// Some bytes that somebody else owns.
@safe
package struct AccessText: BitwiseCopyable {
    let base: UnsafePointer<UInt8>?
    package private(set) var count: Int

    package init() {
        unsafe base = nil
        count = 0
    }

    /// - Parameter max: More than this is cut off.
    package init(_ base: UnsafePointer<UInt8>?, _ count: Int, max: Int = AccessTexts.textBytesMax) {
        unsafe self.base = unsafe base
        self.count = unsafe base == nil ? 0 : Swift.max(0, Swift.min(count, max))
    }

    /// The text without what is beyond so many bytes.
    func prefix(_ max: Int) -> AccessText { unsafe AccessText(base, count, max: max) }

    /// A part; empty where it lies outside.
    func part(_ start: UInt16, _ length: UInt16) -> AccessText {
        guard let base = unsafe base, Int(start) < count else { return AccessText() }
        let length = min(Int(length), count - Int(start))
        return unsafe AccessText(base + Int(start), length, max: length)
    }
}

/// The texts of a record, in the order in which they lie in the ring.
@safe
package struct AccessTexts: BitwiseCopyable {
    /// Bytes of the request line that are logged; more is cut off.
    package static let requestLineBytesMax = 4096
    /// Bytes of any other text that are logged.
    package static let textBytesMax = 1024
    private static let count = 10
    /// Bytes of the largest record.
    static let recordBytesMax =
        MemoryLayout<AccessRecord>.size + requestLineBytesMax + (count - 1) * textBytesMax + count * 2

    /// Method, space, target; the raw first line when it is no request line.
    package var requestLine = AccessText()
    package var host = AccessText()
    package var userAgent = AccessText()
    package var referer = AccessText()
    package var forwardedFor = AccessText()
    /// Of a trusted client.
    package var requestID = AccessText()
    package var listener = AccessText()
    package var route = AccessText()
    package var pool = AccessText()
    package var endpoint = AccessText()

    package init() {}

    /// Bytes of a record with these texts.
    @inline(__always)
    var recordBytes: Int {
        let first = requestLine.count + host.count + userAgent.count + referer.count + forwardedFor.count
        let second = requestID.count + listener.count + route.count + pool.count + endpoint.count
        return MemoryLayout<AccessRecord>.size + AccessTexts.count * 2 + first + second
    }
}

extension LogRing {
    /// Puts a record into the ring; by the producer only.
    ///
    /// - Returns: Whether there was room; without it the record is counted as dropped.
    @discardableResult
    package func append(_ record: AccessRecord, _ texts: AccessTexts) -> Bool {
        guard let start = unsafe reserve(texts.recordBytes) else { return false }
        unsafe start.storeBytes(of: record, as: AccessRecord.self)
        var next = unsafe start + MemoryLayout<AccessRecord>.size
        unsafe next = LogRing.put(texts.requestLine, at: next)
        unsafe next = LogRing.put(texts.host, at: next)
        unsafe next = LogRing.put(texts.userAgent, at: next)
        unsafe next = LogRing.put(texts.referer, at: next)
        unsafe next = LogRing.put(texts.forwardedFor, at: next)
        unsafe next = LogRing.put(texts.requestID, at: next)
        unsafe next = LogRing.put(texts.listener, at: next)
        unsafe next = LogRing.put(texts.route, at: next)
        unsafe next = LogRing.put(texts.pool, at: next)
        unsafe next = LogRing.put(texts.endpoint, at: next)
        commit()
        return true
    }

    @inline(__always)
    private static func put(_ text: AccessText, at place: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        unsafe place.storeBytes(of: UInt16(truncatingIfNeeded: text.count), as: UInt16.self)
        guard let base = unsafe text.base else { return unsafe place + 2 }
        unsafe memcpy(place + 2, base, text.count)
        return unsafe place + 2 + text.count
    }
}

extension AccessRecord {
    /// Reads what `append` wrote; the texts point into `bytes`.
    static func read(_ bytes: UnsafeRawBufferPointer) -> (record: AccessRecord, texts: AccessTexts) {
        let record = unsafe bytes.loadUnaligned(as: AccessRecord.self)
        var offset = MemoryLayout<AccessRecord>.size
        func next() -> AccessText {
            let count = Int(unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
            precondition(offset + 2 + count <= bytes.count, "a record's text reaches beyond it")
            let base = unsafe bytes.baseAddress! + offset + 2
            offset += 2 + count
            return unsafe AccessText(base.assumingMemoryBound(to: UInt8.self), count, max: count)
        }
        var texts = AccessTexts()
        texts.requestLine = next()
        texts.host = next()
        texts.userAgent = next()
        texts.referer = next()
        texts.forwardedFor = next()
        texts.requestID = next()
        texts.listener = next()
        texts.route = next()
        texts.pool = next()
        texts.endpoint = next()
        return (record, texts)
    }
}
