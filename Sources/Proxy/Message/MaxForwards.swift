import HTTP1
import HTTPMessage

/// `Max-Forwards` of `OPTIONS` and `TRACE` (RFC 9110 §7.6.2): how many more proxies may pass the request on.
enum MaxForwards {
    /// More digits than any chain of proxies is long; what is larger is left alone.
    private static let digitsMax = 4

    /// The value of a request that has one; nil when there is none that is a number.
    static func value(
        of head: RequestHead, _ received: UnsafePointer<UInt8>, _ fields: borrowing FieldTable
    ) -> Int? {
        guard head.method == .options || head.method == .trace else { return nil }
        for index in 0..<fields.count where unsafe isName(of: fields[index], received) {
            return unsafe number(received + Int(fields[index].valueStart), Int(fields[index].valueLength))
        }
        return nil
    }

    static func isName(of field: Field, _ received: UnsafePointer<UInt8>) -> Bool {
        unsafe UnsafeBufferPointer(start: received + Int(field.nameStart), count: Int(field.nameLength))
            .matches("max-forwards")
    }

    private static func number(_ text: UnsafePointer<UInt8>, _ count: Int) -> Int? {
        guard count >= 1 && count <= digitsMax else { return nil }
        var number = 0
        for index in 0..<count {
            let digit = unsafe text[index] &- 0x30
            guard digit <= 9 else { return nil }
            number = number * 10 + Int(digit)
        }
        return number
    }
}
