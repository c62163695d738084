import Glibc
import HTTP1

/// Writes the target that goes to the endpoint where a route rewrites it. It always begins with a slash.
enum TargetWriter {
    static func write(
        _ head: RequestHead, _ received: UnsafePointer<UInt8>, _ rewrite: CompiledRewrite, _ request: RequestView,
        into out: inout HeadWriter
    ) {
        let origin = unsafe Span(_unsafeStart: received, count: head.length)
            .extracting(head.originStart..<head.originStart + head.originLength)
        switch rewrite.path {
        case .keep:
            if head.pathLength == 0 { out.append("/") }
            unsafe out.append(received + head.originStart, head.pathLength)
        case .replace(let path): out.append(path)
        case .prefixes(let strip, let add):
            unsafe writePath(
                received + head.originStart, head.pathLength, isNormal: head.isPathNormal, strip, add, &out)
        }
        guard rewrite.changesQuery else {
            unsafe out.append(received + head.originStart + head.pathLength, head.originLength - head.pathLength)
            return
        }
        let query = origin.extracting(min(head.pathLength + 1, origin.count)...)
        writeQuery(query, rewrite, request, &out)
    }

    /// The prefix is looked for in the path's normal form, where no escape and no dot segment hides it, and only a whole
    /// number of segments is taken off: `/api` of `/api` and `/api/x`, not of `/apis` and `/api%2Fx`.
    private static func writePath(
        _ path: UnsafePointer<UInt8>, _ count: Int, isNormal: Bool, _ strip: Bytes, _ add: Bytes,
        _ out: inout HeadWriter
    ) {
        unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count + 1) { scratch in
            let normal = scratch.baseAddress!
            var length = count
            if isNormal {
                unsafe memcpy(normal, path, count)
            } else {
                unsafe length = NormalPath.write(path, count, to: normal)
            }
            var start = 0
            if strip.count > 0, length >= strip.count, unsafe memcmp(normal, strip.base, strip.count) == 0,
                unsafe length == strip.count || normal[strip.count] == 0x2f
            {
                start = strip.count
            }
            out.append(add)
            if start < length {
                unsafe out.append(normal + start, length - start)
            } else if add.count == 0 {
                out.append("/")
            }
        }
    }

    /// Parameters that stay are copied as they came, in their order; the rules' follow.
    private static func writeQuery(
        _ query: Span<UInt8>, _ rewrite: CompiledRewrite, _ request: RequestView, _ out: inout HeadWriter
    ) {
        var separator: UInt8 = 0x3f
        var start = 0
        while start < query.count {
            var end = start
            var nameEnd = -1
            while end < query.count, query[end] != 0x26 {
                if query[end] == 0x3d && nameEnd < 0 { nameEnd = end }
                end += 1
            }
            if nameEnd < 0 { nameEnd = end }
            if end > start, !rewrite.drops(query.extracting(start..<nameEnd)) {
                out.append(byte: separator)
                separator = 0x26
                for index in start..<end { out.append(byte: query[index]) }
            }
            start = end + 1
        }
        for index in 0..<rewrite.parameterCount {
            let parameter = rewrite.parameter(index)
            out.append(byte: separator)
            separator = 0x26
            out.append(parameter.name)
            out.append("=")
            request.write(parameter.value, in: .component, to: &out)
        }
    }
}
