import NodeAgent
import NodeLink
import Testing

@Suite("ReportCollector")
struct ReportCollectorTests {
    private func sample(_ name: String, _ label: String, _ value: Double) -> Sample {
        Sample(name, [Sample.Label("pool", label)], value)
    }

    @Test("whole once every worker has answered, and equal series are added up")
    func gathers() {
        var reports = ReportCollector(workerCount: 2)
        reports.begin(id: 7)
        #expect(reports.add(id: 7, worker: 1, [sample("a", "x", 1), sample("a", "y", 2)]) == nil)
        let whole = reports.add(id: 7, worker: 0, [sample("a", "y", 3), sample("b", "x", 4)])
        #expect(whole == [sample("a", "x", 1), sample("a", "y", 5), sample("b", "x", 4)])
    }

    @Test("a worker counts once, and nobody's report is dropped")
    func strangers() {
        var reports = ReportCollector(workerCount: 2)
        reports.begin(id: 1)
        #expect(reports.add(id: 1, worker: 0, []) == nil)
        #expect(reports.add(id: 1, worker: 0, []) == nil)
        #expect(reports.add(id: 2, worker: 1, []) == nil)
        #expect(reports.add(id: 1, worker: 1, []) == [])
        #expect(reports.add(id: 1, worker: 1, []) == nil)
    }

    @Test("reports don't mix")
    func interleaved() {
        var reports = ReportCollector(workerCount: 2)
        reports.begin(id: 1)
        reports.begin(id: 2)
        #expect(reports.add(id: 2, worker: 0, [sample("a", "x", 1)]) == nil)
        #expect(reports.add(id: 1, worker: 0, [sample("a", "x", 10)]) == nil)
        #expect(reports.add(id: 2, worker: 1, []) == [sample("a", "x", 1)])
        #expect(reports.add(id: 1, worker: 1, []) == [sample("a", "x", 10)])
    }

    @Test("the oldest is given up beyond the bound", arguments: [-1, 0, 1])
    func bound(excess: Int) {
        var reports = ReportCollector(workerCount: 1)
        let count = UInt64(ReportCollector.pendingMax + excess)
        for id in 1...count { reports.begin(id: id) }
        #expect((reports.add(id: 1, worker: 0, []) == nil) == (excess > 0))
        #expect(reports.add(id: count, worker: 0, []) == [])
    }

    @Test("none is left when the link that asked is gone")
    func forgets() {
        var reports = ReportCollector(workerCount: 1)
        reports.begin(id: 1)
        reports.forgetAll()
        #expect(reports.add(id: 1, worker: 0, []) == nil)
    }
}

@Suite("MembershipAcknowledgements")
struct MembershipAcknowledgementsTests {
    @Test("complete with the last worker, once")
    func completes() {
        var acknowledgements = MembershipAcknowledgements(workerCount: 2)
        #expect(!acknowledgements.isComplete)
        acknowledgements.begin(version: 3)
        #expect(acknowledgements.applied(version: 3, worker: 1) == false)
        #expect(acknowledgements.applied(version: 3, worker: 1) == false)
        #expect(acknowledgements.applied(version: 3, worker: 0) == true)
        #expect(acknowledgements.isComplete)
        #expect(acknowledgements.applied(version: 3, worker: 0) == false)
    }

    @Test("an older version counts for nothing")
    func superseded() {
        var acknowledgements = MembershipAcknowledgements(workerCount: 1)
        acknowledgements.begin(version: 1)
        acknowledgements.begin(version: 2)
        #expect(acknowledgements.applied(version: 1, worker: 0) == false)
        #expect(!acknowledgements.isComplete)
        #expect(acknowledgements.applied(version: 2, worker: 0) == true)
    }
}
