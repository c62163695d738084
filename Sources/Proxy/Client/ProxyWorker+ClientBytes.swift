import EventLoop

/// Bytes from and to a client, whatever it is: a socket, TLS on one, or a stream of HTTP/2.
extension ProxyWorker {
    /// As `Socket.receive`.
    @inline(__always)
    mutating func receive(_ client: ClientPointer, _ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) -> Transfer {
        guard unsafe client.pointee.stream == ClientStream.none else {
            return unsafe receiveOnStream(client, bytes, count)
        }
        if let stream = unsafe client.pointee.tls { return unsafe receive(client, stream, bytes, count) }
        return unsafe Socket.receive(client.pointee.descriptor, bytes, count)
    }

    /// As `Socket.send`. With TLS what the socket doesn't take waits, encrypted, in `output`.
    @inline(__always)
    mutating func send(_ client: ClientPointer, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Transfer {
        guard unsafe client.pointee.stream == ClientStream.none else {
            return unsafe sendOnStream(client, bytes, count)
        }
        if let stream = unsafe client.pointee.tls {
            return unsafe send(client, stream, bytes, count, keeps: false)
        }
        return unsafe Socket.send(client.pointee.descriptor, bytes, count)
    }
}
