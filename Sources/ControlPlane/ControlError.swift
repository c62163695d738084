package import SiteFile

/// Why a request of an operator was not carried out.
package enum ControlError: Error, Equatable {
    /// No such thing.
    case notFound(String)
    /// The thing exists, but not in a state for this.
    case conflict(String)
    /// What was sent is not acceptable; with what is wrong in the site file, if that is it.
    case invalid(String, [Diagnostic] = [])
    /// Not now.
    case unavailable(String)
    /// Our own trouble, such as a full disk.
    case failed(String)

    package var message: String {
        switch self {
        case .notFound(let message), .conflict(let message), .invalid(let message, _), .unavailable(let message),
            .failed(let message):
            message
        }
    }
}
