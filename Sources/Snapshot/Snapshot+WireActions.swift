/// The wire form of what a route does.
extension WireWriter {
    mutating func write(_ value: [ValuePart]) {
        write(list: value) { out, part in
            switch part {
            case .literal(let text): out.write(UInt8(0)); out.write(text)
            case .variable(let variable): out.write(UInt8(1)); out.write(variable.rawValue)
            case .field(let name): out.write(UInt8(2)); out.write(name)
            }
        }
    }

    mutating func write(_ answer: RouteAnswer?) {
        write(answer != nil)
        guard let answer else { return }
        write(UInt16(answer.status))
        write(answer.location != nil)
        if let location = answer.location { write(location) }
        write(answer.contentType)
        write(answer.body)
    }

    mutating func write(_ rewrite: TargetRewrite) {
        switch rewrite.path {
        case .keep: write(UInt8(0))
        case .replace(let path): write(UInt8(1)); write(path)
        case .prefixes(let strip, let add): write(UInt8(2)); write(strip); write(add)
        }
        for list in [rewrite.set, rewrite.add] {
            write(list: list) { out, parameter in
                out.write(parameter.name)
                out.write(parameter.value)
            }
        }
        write(list: rewrite.remove) { $0.write($1) }
    }

    mutating func write(_ pages: [ErrorPage]) {
        write(list: pages) { out, page in
            out.write(UInt16(page.statuses.lowerBound))
            out.write(UInt16(page.statuses.upperBound))
            out.write(page.contentType)
            out.write(page.body)
        }
    }
}

extension WireReader {
    mutating func readValue() throws(WireError) -> [ValuePart] {
        try readList { (reader) throws(WireError) -> ValuePart in
            switch try reader.read(UInt8.self) {
            case 0: .literal(try reader.readString())
            case 1: .variable(try reader.readCase())
            case 2: .field(try reader.readString())
            default: throw .invalid("value part")
            }
        }
    }

    mutating func readAnswer() throws(WireError) -> RouteAnswer? {
        guard try readBool() else { return nil }
        let status = Int(try read(UInt16.self))
        guard 200...599 ~= status else { throw .invalid("status of an answer") }
        let location = try readBool() ? try readValue() : nil
        return RouteAnswer(
            status: status, location: location, contentType: try readString(), body: try readAnswerBody())
    }

    mutating func readRewrite() throws(WireError) -> TargetRewrite {
        let path: TargetRewrite.Path =
            switch try read(UInt8.self) {
            case 0: .keep
            case 1: .replace(try readString())
            case 2: .prefixes(strip: try readString(), add: try readString())
            default: throw .invalid("path rewrite")
            }
        return TargetRewrite(
            path: path, set: try readParameters(), add: try readParameters(),
            remove: try readList { (reader) throws(WireError) in try reader.readString() })
    }

    mutating func readErrorPages() throws(WireError) -> [ErrorPage] {
        try readList { (reader) throws(WireError) -> ErrorPage in
            let (low, high) = (Int(try reader.read(UInt16.self)), Int(try reader.read(UInt16.self)))
            guard 400...599 ~= low, 400...599 ~= high, low <= high else { throw .invalid("statuses of an error page") }
            return ErrorPage(
                statuses: low...high, contentType: try reader.readString(), body: try reader.readAnswerBody())
        }
    }

    private mutating func readParameters() throws(WireError) -> [TargetRewrite.Parameter] {
        try readList { (reader) throws(WireError) in
            TargetRewrite.Parameter(name: try reader.readString(), value: try reader.readValue())
        }
    }

    private mutating func readAnswerBody() throws(WireError) -> [UInt8] {
        let body = try readBytes()
        guard body.count <= RouteAnswer.bodyBytesMax else { throw .invalid("body of an answer") }
        return body
    }
}
