import HTTPMessage
import Testing

@Suite("Field table")
struct FieldTableTests {
    @Test("has room for its capacity and no more, and again after removeAll")
    func capacity() {
        var table = FieldTable()
        for _ in 0..<2 {
            for index in 0..<FieldTable.capacity {
                let field = Field(
                    nameStart: index, nameLength: 1, valueStart: index + 2, valueLength: 1, lineEnd: index + 5,
                    id: .other)
                let hasRoom = table.append(field)
                #expect(hasRoom)
            }
            let last = table[FieldTable.capacity - 1]
            let hasRoom = table.append(last)
            let count = table.count
            #expect(!hasRoom)
            #expect(count == FieldTable.capacity)
            #expect(last.nameStart == 255)
            table.removeAll()
            let isEmpty = table.count == 0
            #expect(isEmpty)
        }
    }

    @Test("offsets up to the widest head")
    func offsets() {
        let field = Field(
            nameStart: 65_500, nameLength: 3, valueStart: 65_505, valueLength: 26, lineEnd: 65_533, id: .via)
        #expect(field.nameStart == 65_500 && field.nameLength == 3 && field.valueStart == 65_505)
        #expect(field.valueLength == 26 && field.lineEnd == 65_533 && field.id == .via)
    }
}
