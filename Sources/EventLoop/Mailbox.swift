import CLinux
import Glibc
import Synchronization

/// Messages to a thread that runs a loop. Posting wakes it through an eventfd; nothing here is on a request's path.
package final class Mailbox<Message: Sendable>: Sendable {
    private let messages = Mutex<[Message]>([])
    /// Readable (level) while messages wait: add it to the loop's poller.
    package let descriptor: CInt

    package init() {
        descriptor = eventfd(0, CInt(EFD_CLOEXEC) | CInt(EFD_NONBLOCK))
        precondition(descriptor >= 0, "eventfd: \(errno)")
    }

    deinit { close(descriptor) }

    /// From any thread.
    package func post(_ message: sending Message) {
        let wasEmpty = messages.withLock { messages in
            messages.append(message)
            return messages.count == 1
        }
        guard wasEmpty else { return }
        var one: UInt64 = 1
        _ = unsafe write(descriptor, &one, 8)
    }

    /// By the loop's thread: everything posted so far, in order.
    package func takeAll() -> [Message] {
        var count: UInt64 = 0
        _ = unsafe read(descriptor, &count, 8)
        return messages.withLock { messages in
            let taken = messages
            messages = []
            return taken
        }
    }
}
