import Glibc

/// A file operation that failed: `open /x/snapshot: Permission denied`.
package struct FileError: Error, Equatable, CustomStringConvertible {
    package let call: String
    package let path: String
    package let code: CInt

    package init(call: String, path: String, code: CInt) {
        self.call = call
        self.path = path
        self.code = code
    }

    package var description: String { "\(call) \(path): \(unsafe String(cString: strerror(code)))" }
}

/// The few file operations a node needs; small files, whole.
package enum FileSystem {
    /// - Returns: nil when there is no such file.
    /// - Throws: `FileError`; `EFBIG` for a file beyond `bytesMax`.
    package static func read(_ path: String, bytesMax: Int) throws(FileError) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw FileError(call: "open", path: path, code: errno)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count == 0 { return bytes }
            guard count > 0 else {
                if errno == EINTR { continue }
                throw FileError(call: "read", path: path, code: errno)
            }
            guard bytes.count + count <= bytesMax else { throw FileError(call: "read", path: path, code: EFBIG) }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    /// Replaces a file whole: the old or the new content is there at any time, also after a crash.
    package static func replace(_ path: String, with bytes: [UInt8]) throws(FileError) {
        let temporary = "\(path).new"
        let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode_t(0o600))
        guard descriptor >= 0 else { throw FileError(call: "open", path: temporary, code: errno) }
        let failure = write(bytes, to: descriptor, path: temporary)
        close(descriptor)
        if let failure {
            unsafe _ = unlink(temporary)
            throw failure
        }
        try rename(temporary, to: path)
    }

    private static func write(_ bytes: [UInt8], to descriptor: CInt, path: String) -> FileError? {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return FileError(call: "write", path: path, code: errno)
            }
        }
        return fsync(descriptor) == 0 ? nil : FileError(call: "fsync", path: path, code: errno)
    }

    package static func rename(_ path: String, to target: String) throws(FileError) {
        guard unsafe Glibc.rename(path, target) == 0 else {
            throw FileError(call: "rename", path: path, code: errno)
        }
    }

    /// Makes renames in a directory last through a crash of the machine.
    package static func flushDirectory(_ path: String) throws(FileError) {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(call: "open", path: path, code: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw FileError(call: "fsync", path: path, code: errno) }
    }

    /// Makes a directory and those above it (mode 0750); one that is there is left as it is.
    package static func makeDirectory(_ path: String) throws(FileError) {
        if unsafe mkdir(path, 0o750) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else {
            throw FileError(call: "mkdir", path: path, code: errno)
        }
        try makeDirectory(String(path[..<slash]))
        guard unsafe mkdir(path, 0o750) == 0 || errno == EEXIST else {
            throw FileError(call: "mkdir", path: path, code: errno)
        }
    }
}
