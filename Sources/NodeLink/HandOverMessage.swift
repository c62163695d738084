package import EventLoop
package import Snapshot

/// One accepted client socket on its way from a forwarder to a node of the same host.
package struct HandedOverConnection: Equatable, BitwiseCopyable, Sendable {
    /// `Hash64.xxh64` of the listener's name in UTF-8, so that both sides need not number listeners alike.
    package var listener: UInt64
    /// The client's address as accepted.
    package var client: IPEndpoint
    /// The address the listener is bound to; `0.0.0.0` and `::` stay as they are.
    package var local: IPEndpoint

    package init(listener: UInt64, client: IPEndpoint, local: IPEndpoint) {
        self.listener = listener
        self.client = client
        self.local = local
    }
}

/// What a node says of each connection, one byte each, in the order in which they were sent; many answers may stand
/// in one message. After `accepted` the forwarder closes its own descriptor, so a node answers before it reads.
package enum HandOverAnswer: UInt8, Sendable {
    case accepted = 0
    /// Full, draining, or no such listener: the forwarder asks another node.
    case refused = 1
}

/// The message from forwarder to node: up to 64 connections, their descriptors beside it as `SCM_RIGHTS`.
///
///     header  version u8 │ count u8 │ 6 bytes 0
///     record  listener u64 │ client high u64 │ low u64 │ local high u64 │ low u64 │
///             client port u16 │ local port u16 │ client family u8 │ local family u8 │ 2 bytes 0
///
/// Little-endian; `count` records follow the header and nothing follows them. Descriptor k belongs to record k.
/// One `SOCK_SEQPACKET` packet is one message; a peer that sends anything else is disconnected.
package enum HandOverMessage {
    package static let version: UInt8 = 1
    package static let headerBytes = 8
    package static let recordBytes = 48
    /// Connections in one message at most.
    package static let connectionsMax = DescriptorPassing.descriptorsMax
    /// The longest message.
    package static let bytesMax = headerBytes + connectionsMax * recordBytes

    /// Bytes of a message with that many connections.
    package static func byteCount(of count: Int) -> Int { headerBytes + count * recordBytes }

    /// Writes the header of a message with `count` connections, 1…`connectionsMax`, to the front of `message`.
    package static func writeHeader(count: Int, to message: UnsafeMutableRawBufferPointer) {
        precondition((1...connectionsMax).contains(count), "\(count) connections in one message")
        unsafe message.storeBytes(of: UInt64(version) | UInt64(count) << 8, as: UInt64.self)
    }

    /// Writes record `index`; `message` has room for `byteCount(of: index + 1)` bytes.
    package static func write(
        _ connection: HandedOverConnection, at index: Int, to message: UnsafeMutableRawBufferPointer
    ) {
        let start = headerBytes + index * recordBytes
        precondition(start + recordBytes <= message.count, "record \(index) beyond the message")
        let ports = UInt64(connection.client.port) | UInt64(connection.local.port) << 16
        let families = UInt64(connection.client.family.rawValue) | UInt64(connection.local.family.rawValue) << 8
        unsafe message.storeBytes(of: connection.listener.littleEndian, toByteOffset: start, as: UInt64.self)
        unsafe message.storeBytes(of: connection.client.high.littleEndian, toByteOffset: start + 8, as: UInt64.self)
        unsafe message.storeBytes(of: connection.client.low.littleEndian, toByteOffset: start + 16, as: UInt64.self)
        unsafe message.storeBytes(of: connection.local.high.littleEndian, toByteOffset: start + 24, as: UInt64.self)
        unsafe message.storeBytes(of: connection.local.low.littleEndian, toByteOffset: start + 32, as: UInt64.self)
        unsafe message.storeBytes(
            of: (ports | families << 32).littleEndian, toByteOffset: start + 40, as: UInt64.self)
    }

    /// Checks a received message as a whole.
    ///
    /// - Parameter descriptors: How many descriptors came with it.
    /// - Returns: How many connections it holds, 1…`connectionsMax`; each can then be read.
    /// - Throws: `WireError` when the bytes are no message; close the descriptors and the link.
    package static func count(_ message: RawSpan, descriptors: Int) throws(WireError) -> Int {
        guard message.byteCount >= headerBytes else { throw .truncated }
        let header = word(message, at: 0)
        guard UInt8(truncatingIfNeeded: header) == version else { throw .invalid("hand-over version") }
        let count = Int(header >> 8)
        guard (1...connectionsMax).contains(count) else { throw .invalid("hand-over count") }
        guard count == descriptors else { throw .invalid("descriptor count") }
        guard message.byteCount >= byteCount(of: count) else { throw .truncated }
        guard message.byteCount == byteCount(of: count) else { throw .trailingBytes }
        return count
    }

    /// The connection in record `index` of a message that `count` has accepted.
    ///
    /// - Throws: `WireError.invalid` for an address that is none.
    package static func connection(at index: Int, in message: RawSpan) throws(WireError) -> HandedOverConnection {
        let start = headerBytes + index * recordBytes
        let last = word(message, at: start + 40)
        guard last >> 48 == 0 else { throw .invalid("hand-over record") }
        return HandedOverConnection(
            listener: word(message, at: start),
            client: try address(
                high: word(message, at: start + 8), low: word(message, at: start + 16),
                port: UInt16(truncatingIfNeeded: last), family: UInt8(truncatingIfNeeded: last >> 32)),
            local: try address(
                high: word(message, at: start + 24), low: word(message, at: start + 32),
                port: UInt16(truncatingIfNeeded: last >> 16), family: UInt8(truncatingIfNeeded: last >> 40)))
    }

    private static func address(high: UInt64, low: UInt64, port: UInt16, family: UInt8) throws(WireError) -> IPEndpoint
    {
        switch IPFamily(rawValue: family) {
        case .v4:
            guard high == 0, let address = UInt32(exactly: low) else { throw .invalid("IPv4 address") }
            return IPEndpoint(v4: address, port: port)
        case .v6: return IPEndpoint(v6High: high, low: low, port: port)
        case nil: throw .invalid("address family")
        }
    }

    private static func word(_ message: RawSpan, at offset: Int) -> UInt64 {
        // The span checks the bounds and any bit pattern is a UInt64: "unsafe" only by name.
        unsafe UInt64(littleEndian: message.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
