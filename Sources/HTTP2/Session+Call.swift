import CNGHTTP2

/// What a client asks for.
extension Session {
    /// One field of a request that isn't received from anybody: names in lower case, pseudo-fields first (RFC 9113 §8.3).
    package struct CallField {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Begins a request whose body `send` gives.
    ///
    /// For requests that the node makes for itself, such as probes: it allocates.
    ///
    /// - Returns: Its place in the session; nil without memory, or when no stream can be begun any more.
    package func call(_ fields: [CallField]) -> UInt32? {
        let place = unsafe state.pointee.records.insert(0)
        let text = fields.flatMap { Array($0.name.utf8) + Array($0.value.utf8) }
        var provider = unsafe nghttp2_data_provider()
        unsafe provider.read_callback = onReadBody
        let stream = unsafe text.withUnsafeBufferPointer { text in
            var values: [nghttp2_nv] = unsafe []
            var next = unsafe UnsafeMutablePointer(mutating: text.baseAddress!)
            for field in fields {
                let (name, value) = (field.name.utf8.count, field.value.utf8.count)
                unsafe values.append(
                    nghttp2_nv(
                        name: next, value: next + name, namelen: name, valuelen: value,
                        flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)))
                unsafe next += name + value
            }
            return unsafe nghttp2_submit_request(
                library, nil, values, values.count, &provider, UnsafeMutableRawPointer(bitPattern: UInt(place) + 1))
        }
        guard stream > 0 else {
            unsafe state.pointee.records.remove(place)
            return nil
        }
        unsafe state.pointee.records[place].stream = stream
        return place
    }
}
