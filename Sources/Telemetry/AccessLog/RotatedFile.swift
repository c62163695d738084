import Glibc

/// A log file that is renamed when it is full: `access.log` becomes `access.log.1`, that one `access.log.2`, and so on.
///
/// Several nodes write to the same file. The lock (`flock(2)`) lies on the file itself: writers hold it shared, the node
/// that renames holds it alone. Who gets it and finds that the name belongs to another file by now has come late and
/// opens the new one. The current file is renamed last, so no new one exists before the older ones have moved on.
struct RotatedFile {
    /// After renaming failed, it is tried again only so many seconds later.
    private static let retrySeconds = 60

    let path: String
    let bytesMax: Int
    let keptFiles: Int
    private var retryAt = 0

    init(path: String, bytesMax: Int, keptFiles: Int) {
        self.path = path
        self.bytesMax = bytesMax
        self.keptFiles = keptFiles
    }

    /// Whether the name still belongs to the open file.
    func isCurrent(_ descriptor: CInt) -> Bool {
        var (named, opened) = (stat(), stat())
        return unsafe stat(path, &named) == 0 && fstat(descriptor, &opened) == 0 && named.st_ino == opened.st_ino
            && named.st_dev == opened.st_dev
    }

    func isFull(_ descriptor: CInt) -> Bool {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return false }
        return Int(status.st_size) >= bytesMax && time(nil) >= retryAt
    }

    /// Renames the file and its older ones, unless another node did.
    ///
    /// - Returns: Whether the name must be opened again.
    mutating func rename(_ descriptor: CInt) -> Bool {
        flock(descriptor, LOCK_EX)
        defer { flock(descriptor, LOCK_UN) }
        guard isCurrent(descriptor) else { return true }
        for number in (1..<max(keptFiles, 1)).reversed() {
            // A gap in the row is no failure.
            if unsafe Glibc.rename("\(path).\(number)", "\(path).\(number + 1)") != 0 && errno != ENOENT {
                return complain()
            }
        }
        guard unsafe Glibc.rename(path, "\(path).1") == 0 else { return complain() }
        return true
    }

    private mutating func complain() -> Bool {
        let reason = unsafe String(cString: strerror(errno))
        Log.error("access-log", "\(path) is full but can't be renamed: \(reason); it grows on")
        retryAt = time(nil) + RotatedFile.retrySeconds
        return false
    }
}
