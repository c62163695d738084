import TestKit
import Testing

extension ConformanceTests {
    @Suite("What operators see of refusals")
    struct RefusalRecordTests {
        private func count(side: String, reason: String) throws -> Double {
            let text = try ConformanceSite.current().site.control.request("GET", "/metrics").text
            var sum = 0.0
            for line in text.split(separator: "\n") where line.hasPrefix("sluice_malformed_messages_total{") {
                guard line.contains("side=\"\(side)\""), line.contains("reason=\"\(reason)\"") else { continue }
                sum += line.split(separator: " ").last.flatMap { Double($0) } ?? 0
            }
            return sum
        }

        @Test("a counter by side and reason, and a line in the log that names both")
        func countersAndLog() throws {
            let site = try ConformanceSite.current()
            let before = try count(side: "client", reason: "ambiguous-length")
            let request = try #require(
                RefusedRequest.fields(["Content-Length: 5\r\nTransfer-Encoding: chunked"]).first)
            for _ in 0..<3 { try request.check() }
            // `check` sends each twice: at once, and byte by byte.
            #expect(try count(side: "client", reason: "ambiguous-length") == before + 6)

            let responsesBefore = try count(side: "endpoint", reason: "head-too-large")
            let response = RefusedResponse("HTTP/1.1 200 OK\r\nX: \(String(repeating: "v", count: 20_000))\r\n\r\n")
            for _ in 0..<3 { try response.check() }
            #expect(try count(side: "endpoint", reason: "head-too-large") == responsesBefore + 3)

            // At most ten lines a second are written, and other cases may have used them up.
            try Eventually.holds("a line in the log about the request") {
                try request.check()
                return site.site.log.contains("refused a request from 127.0.0.1")
                    && site.site.log.contains(": ambiguous-length")
            }
            try Eventually.holds("a line in the log about the response") {
                try response.check()
                return site.site.log.contains("refused a response of app/\(site.endpoint.address): head-too-large")
            }
        }

        @Test("the corpus is as large as promised")
        func size() {
            let refused =
                RequestLineTests.lineEnds.count + RequestLineTests.requestLines.count + RequestLineTests.versions.count
                + TargetTests.targets.count + TargetTests.hosts.count + FieldTests.malformed.count
                + RequestFramingTests.lengths.count + RequestFramingTests.codings.count
                + RequestFramingTests.oldCodings.count + ChunkTests.malformed.count + ChunkTests.trailers.count
            #expect(refused >= 150, "\(refused) hostile requests")
            let responses =
                HostileResponseTests.statusLines.count + HostileResponseTests.fields.count
                + HostileResponseTests.framing.count + HostileResponseTests.chunks.count
                + HostileResponseTests.others.count
            #expect(responses >= 60, "\(responses) hostile responses")
        }
    }
}
