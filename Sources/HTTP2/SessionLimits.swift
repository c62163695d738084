/// Bounds of one HTTP/2 connection. What a peer may hold is stated to it in SETTINGS; what it may cost is counted by
/// `FrameBudget`s, and a peer that goes beyond is told ENHANCE_YOUR_CALM (RFC 9113 §10.5).
package struct SessionLimits: BitwiseCopyable, Sendable {
    /// Streams that a peer may have open (SETTINGS_MAX_CONCURRENT_STREAMS); RFC 9113 §6.5.2 advises 100 at least.
    package var streamsMax: UInt32 = 128
    /// A head as an HTTP/1.1 message, bytes; stated as SETTINGS_MAX_HEADER_LIST_SIZE.
    package var headBytesMax: Int
    /// Field lines of one head or trailer section.
    package var fieldCountMax: Int
    /// Bytes that a peer may send on one stream before we take some. What isn't taken waits in one buffer block.
    package var streamWindowBytes: Int32 = 65_535
    /// The same for the whole connection.
    package var connectionWindowBytes: Int32 = 1024 * 1024
    /// Bytes of decoded fields in one header block, those included that are beyond `headBytesMax` and thrown away: a
    /// block that goes on and on, or one that refers to a large entry again and again, ends the connection.
    package var decodedBytesMax: Int { 4 * headBytesMax }
    /// CONTINUATION frames of one header block. A head of the largest size needs four of the smallest frame size that a
    /// peer can be made to use.
    package var continuationsMax = 16
    /// Streams that a peer resets, or makes us reset, before they are done: page loads that are given up cancel some
    /// dozens at once.
    package var resets = FrameRate(burst: 256, perSecond: 32)
    /// SETTINGS frames that aren't acknowledgements.
    package var settings = FrameRate(burst: 16, perSecond: 1)
    /// PING, PRIORITY, WINDOW_UPDATE. Each DATA frame that we send allows two more: peers answer data
    /// with updates of both windows, or measure the path by pings.
    package var control = FrameRate(burst: 1024, perSecond: 128)
    /// Acknowledgements of PING and SETTINGS that wait because the peer doesn't read. More than `control` and `settings` let
    /// through at once, so that a flood is counted as what it is however many frames come in one read.
    package static let unreadAnswersMax = 2048
    /// DATA frames without bytes that don't end their stream.
    package var emptyData = FrameRate(burst: 64, perSecond: 8)

    package init(headBytesMax: Int = 32 * 1024, fieldCountMax: Int = 100) {
        self.headBytesMax = headBytesMax
        self.fieldCountMax = fieldCountMax
    }
}

/// So many at once, and so many a second in the long run.
package struct FrameRate: BitwiseCopyable, Sendable {
    package var burst: UInt32
    package var perSecond: UInt32

    package init(burst: UInt32, perSecond: UInt32) {
        self.burst = burst
        self.perSecond = perSecond
    }
}

/// What is left of a `FrameRate`.
struct FrameBudget: BitwiseCopyable {
    private var left: UInt32
    private var renewedAt: UInt64

    init(_ rate: FrameRate, now: UInt64) {
        left = rate.burst
        renewedAt = now
    }

    /// - Returns: false when nothing is left.
    mutating func take(_ rate: FrameRate, now: UInt64) -> Bool {
        if left < rate.burst {
            let earned = (now &- renewedAt) / 1_000_000 * UInt64(rate.perSecond) / 1000
            if earned > 0 {
                left = UInt32(min(UInt64(rate.burst), UInt64(left) + earned))
                renewedAt = now
            }
        } else {
            renewedAt = now
        }
        guard left > 0 else { return false }
        left -= 1
        return true
    }

    /// Something has happened that the peer may react to.
    mutating func earn(_ count: UInt32, _ rate: FrameRate) { left = min(rate.burst, left + count) }
}

/// The limit that a peer has exceeded, in the words of metrics and logs.
package enum Abuse: UInt8, CaseIterable, BitwiseCopyable, Sendable {
    case rapidReset
    case continuationFlood
    case headerList
    case settingsFlood
    case controlFlood
    case emptyDataFlood
    /// Acknowledgements pile up because the peer doesn't read them.
    case unreadAnswers

    package var reason: StaticString {
        switch self {
        case .rapidReset: "resets"
        case .continuationFlood: "continuation"
        case .headerList: "header-list"
        case .settingsFlood: "settings"
        case .controlFlood: "control-frames"
        case .emptyDataFlood: "empty-data"
        case .unreadAnswers: "unread-answers"
        }
    }
}
