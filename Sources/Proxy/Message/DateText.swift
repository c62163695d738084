import Glibc

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7), made once a second.
@safe
struct DateText: ~Copyable {
    private static let length = 29
    private let text: UnsafeMutablePointer<UInt8>
    private var second: Int64 = -1

    init() {
        unsafe text = .allocate(capacity: DateText.length)
        unsafe text.initialize(repeating: 0x20, count: DateText.length)
    }

    deinit { unsafe text.deallocate() }

    /// - Parameter second: Seconds since 1970.
    mutating func update(_ second: Int64) {
        guard second != self.second else { return }
        self.second = second
        var time = time_t(second)
        var parts = unsafe tm()
        unsafe gmtime_r(&time, &parts)
        let days: StaticString = "SunMonTueWedThuFriSat"
        let months: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
        unsafe memcpy(text, days.utf8Start + Int(parts.tm_wday) * 3, 3)
        unsafe text[3] = 0x2c
        unsafe put(Int(parts.tm_mday), at: 5, digits: 2)
        unsafe memcpy(text + 8, months.utf8Start + Int(parts.tm_mon) * 3, 3)
        unsafe put(Int(parts.tm_year) + 1900, at: 12, digits: 4)
        unsafe put(Int(parts.tm_hour), at: 17, digits: 2)
        unsafe text[19] = 0x3a
        unsafe put(Int(parts.tm_min), at: 20, digits: 2)
        unsafe text[22] = 0x3a
        unsafe put(Int(parts.tm_sec), at: 23, digits: 2)
        let zone: StaticString = "GMT"
        unsafe memcpy(text + 26, zone.utf8Start, 3)
    }

    private func put(_ number: Int, at offset: Int, digits: Int) {
        var rest = number
        for index in (0..<digits).reversed() {
            unsafe text[offset + index] = UInt8(0x30 + rest % 10)
            rest /= 10
        }
    }

    func write(to out: inout HeadWriter) { unsafe out.append(text, DateText.length) }
}
