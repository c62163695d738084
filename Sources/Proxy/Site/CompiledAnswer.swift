import HTTPMessage
import Snapshot

/// `redirect` or `respond`, as workers read it.
@safe
struct CompiledAnswer: BitwiseCopyable {
    let status: Int
    /// Empty for none.
    let contentType: Bytes
    let body: Bytes
    /// Without parts for none.
    let location: CompiledTemplate
    /// `location` names the request's host: a request without one can't be answered by it.
    let needsHost: Bool

    init(_ answer: RouteAnswer, arena: Arena) {
        status = answer.status
        let value = answer.location ?? []
        location = CompiledTemplate(value, arena: arena)
        needsHost = value.contains(.variable(.host)) || value.contains(.variable(.hostname))
        if answer.location != nil {
            contentType = arena.make("text/plain")
            body = arena.make("\(status) \(ReasonPhrase.of(status))\n")
        } else {
            contentType = arena.make(answer.contentType)
            body = arena.make(bytes: answer.body)
        }
    }

    /// RFC 9110 §8.6: 204 has no length, and that of 304 would be another response's.
    var statesLength: Bool { status != 204 && status != 304 }
}
