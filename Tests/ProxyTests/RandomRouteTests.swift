import Snapshot
import Testing

@testable import Proxy

/// The compiled router against the plain meaning of the site file: the first route, in order, of which all holds.
@Suite("Router: random sites against a second implementation")
struct RandomRouteTests {
    private struct Request {
        var method: String
        var host: String
        /// In normal form.
        var path: String
        var parameters: [(name: String, value: String?)]
        var fields: [(name: String, value: String)]
    }

    private struct Writer {
        var random: SeededRandom
        private let hosts = ["a", "b", "a.b", "b.a.b", "shop.a.b"]
        private let segments = ["", "a", "b", "ab", "a/", "a/b", "b/a/", "1", "12/"]
        private let patterns = ["/a.*", "/[ab]+", ".*", "/(a|b)/.*", "/ab?[0-9]*/?", "/a/b", ".*/", "/a/b.*"]
        private let names = ["x", "y", "zz"]
        private let values = ["", "1", "12", "a", "ab"]

        mutating func path() -> String { "/" + (0..<random.below(3)).map { _ in random.pick(segments) }.joined() }

        private mutating func condition() -> ValueCondition {
            let pattern: ValuePattern =
                switch random.below(5) {
                case 0: .exact(random.pick(values))
                case 1: .prefix(random.pick(["1", "a"]))
                case 2: .regex(random.pick(["[0-9]+", "a?b?", ".+"]))
                case 3: .present
                default: .absent
                }
            return ValueCondition(random.pick(names), pattern)
        }

        mutating func match() -> RouteMatch {
            var match = RouteMatch()
            match.hosts = (0..<max(random.below(4) - 1, 0)).map { _ in
                random.below(2) == 0 ? .exact(random.pick(hosts)) : .suffix(random.pick(hosts))
            }
            switch random.below(4) {
            case 0: match.path = .exact(path())
            case 1: match.path = .prefix(path())
            case 2: match.path = .regex(random.pick(patterns))
            default: break
            }
            if random.below(3) == 0 { match.methods = [random.pick(["GET", "POST", "PURGE"])] }
            if random.below(3) == 0 { match.header = [condition()] }
            if random.below(3) == 0 { match.query = (0...random.below(2)).map { _ in condition() } }
            return match
        }

        mutating func request() -> Request {
            Request(
                method: random.pick(["GET", "POST", "HEAD", "PURGE", "PATCHES"]), host: random.pick(hosts + ["c"]),
                path: path(),
                parameters: (0..<random.below(3)).map { _ in
                    (random.pick(names), random.below(4) == 0 ? nil : random.pick(values))
                }, fields: (0..<random.below(3)).map { _ in (random.pick(names), random.pick(values)) })
        }
    }

    private func naive(_ matches: [RouteMatch], _ request: Request) throws -> Int32 {
        func whole(_ pattern: String, _ text: String) throws -> Bool {
            try Regex(pattern).dotMatchesNewlines().wholeMatch(in: text) != nil
        }
        func holds(_ pattern: ValuePattern, _ values: [String]) throws -> Bool {
            switch pattern {
            case .exact(let text): values.contains(text)
            case .prefix(let text): values.contains { $0.hasPrefix(text) }
            case .regex(let text): try values.contains { try whole(text, $0) }
            case .present: !values.isEmpty
            case .absent: values.isEmpty
            }
        }
        for (index, match) in matches.enumerated() {
            let isHost =
                match.hosts.isEmpty
                || match.hosts.contains { pattern in
                    switch pattern {
                    case .exact(let name): name == request.host
                    case .suffix(let name): request.host.hasSuffix("." + name)
                    }
                }
            let isPath =
                switch match.path {
                case nil: true
                case .exact(let text)?: request.path == text
                case .prefix(let text)?: request.path.hasPrefix(text)
                case .regex(let text)?: try whole(text, request.path)
                }
            let isMethod = match.methods.isEmpty || match.methods.contains(request.method)
            let isHeader = try match.header.allSatisfy { condition in
                try holds(condition.pattern, request.fields.filter { $0.name == condition.name }.map(\.value))
            }
            let isQuery = try match.query.allSatisfy { condition in
                let first = request.parameters.first { $0.name == condition.name }
                return try holds(condition.pattern, first.map { [$0.value ?? ""] } ?? [])
            }
            if isHost && isPath && isMethod && isHeader && isQuery { return Int32(index) }
        }
        return Router.none
    }

    @Test("agrees on every request", arguments: 1...60 as ClosedRange<UInt64>)
    func agrees(seed: UInt64) throws {
        var writer = Writer(random: SeededRandom(seed))
        let matches = (0..<writer.random.below(25) + 1).map { _ in writer.match() }
        let site = try RoutedSite(matches.map { route($0) })
        for _ in 0..<100 {
            let request = writer.request()
            let query = request.parameters.map { name, value in value.map { "\(name)=\($0)" } ?? name }
            var target = request.path + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
            // The same request, spelled otherwise.
            switch writer.random.below(4) {
            case 0: target = "/b/.." + target
            case 1: target = target.replacing("a", with: "%61")
            default: break
            }
            let lines = request.fields.map {
                "\(writer.random.below(2) == 0 ? $0.name : $0.name.uppercased()): \($0.value)"
            }
            let found = try site.route(
                request.method, target,
                host: writer.random.below(2) == 0 ? request.host : request.host.uppercased() + ":80",
                lines)
            #expect(
                try found == naive(matches, request),
                "seed \(seed): \(request.method) \(request.host) \(target) \(lines)\n\(matches)")
        }
    }
}
