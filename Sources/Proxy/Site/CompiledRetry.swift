import Snapshot

/// Why a request is sent again: a word of `retry.on`, or a status.
struct RetryReason: Equatable, BitwiseCopyable {
    /// 0 for none, 1 to 3 for the words, or a status.
    private let code: UInt16

    static var none: RetryReason { RetryReason(code: 0) }
    static var connectFailure: RetryReason { RetryReason(code: 1) }
    static var reset: RetryReason { RetryReason(code: 2) }
    /// A second request while the first one is under way; no word of `retry.on`.
    static var hedge: RetryReason { RetryReason(code: 3) }

    private init(code: UInt16) { self.code = code }

    /// nil for a status that is no failure.
    init?(status: Int) {
        guard 400...599 ~= status else { return nil }
        self.init(code: UInt16(status))
    }

    /// How many there are, counted by `index`.
    static var count: Int { 203 }

    /// 0 to 2 for the words, then the statuses from 400 on.
    var index: Int { code < 400 ? Int(code) - 1 : Int(code) - 397 }

    /// What `index` stands for, as in the site file.
    static func name(ofIndex index: Int) -> String {
        switch index {
        case 0: "connect-failure"
        case 1: "reset"
        case 2: "hedge"
        default: "\(index + 397)"
        }
    }
}

/// `retry` of a route.
struct CompiledRetry: BitwiseCopyable {
    let attemptsMax: UInt8
    let budgetPercent: UInt32
    /// `UInt64.max` for no bound.
    let perTryNanoseconds: UInt64
    /// A bit for each reason, by its index.
    private var reasons = SIMD4<UInt64>()

    init(_ policy: RetryPolicy) {
        attemptsMax = UInt8(policy.attemptsMax)
        budgetPercent = UInt32(policy.budgetPercent)
        perTryNanoseconds = policy.perTryTimeout?.nanosecondsUnsigned ?? .max
        guard policy.attemptsMax > 1 else { return }
        for condition in policy.conditions {
            switch condition {
            case .connectFailure: insert(.connectFailure)
            case .reset: insert(.reset)
            case .status(let status): if let reason = RetryReason(status: status) { insert(reason) }
            }
        }
    }

    private mutating func insert(_ reason: RetryReason) {
        reasons[reason.index / 64] |= 1 << UInt64(reason.index % 64)
    }

    func covers(_ reason: RetryReason) -> Bool {
        reasons[reason.index / 64] >> UInt64(reason.index % 64) & 1 == 1
    }

    /// Whether a request may be sent again after the endpoint has had it.
    var repeatsRequests: Bool {
        var others = reasons
        others[0] &= ~(1 << UInt64(RetryReason.connectFailure.index))
        return others != SIMD4()
    }
}
