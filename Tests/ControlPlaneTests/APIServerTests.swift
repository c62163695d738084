import Foundation
import Testing

@testable import ControlPlane

@Suite("API on its Unix socket", .timeLimit(.minutes(1)))
struct APIServerTests {
    @Test("the documents have the fields of the contract")
    func documents() async throws {
        let bench = try await ControlBench.started()
        let (code, status) = try await bench.json("GET", "/v1/status")
        #expect(code == 200)
        #expect(
            Set(status.keys) == [
                "site", "revision", "digest", "uptime_seconds", "version", "nodes", "control", "names",
                "certificates",
            ])
        #expect((status["control"] as? [String: Int])?["pid"] == Int(getpid()))

        let nodes = try #require(try await bench.json("GET", "/v1/nodes").object["nodes"] as? [[String: Any]])
        #expect(nodes.compactMap { $0["id"] as? String } == ["forwarder", "proxy-1", "proxy-2"])
        for node in nodes {
            #expect(
                Set(node.keys) == [
                    "id", "role", "state", "pid", "revision", "local", "address", "connections", "requests", "restarts",
                    "uptime_seconds",
                ])
            #expect(node["address"] is NSNull)
        }

        let pools = try #require(try await bench.json("GET", "/v1/pools").object["pools"] as? [[String: Any]])
        let endpoint = try #require((pools[0]["endpoints"] as? [[String: Any]])?.first)
        #expect(
            Set(endpoint.keys) == [
                "address", "weight", "state", "since", "votes", "ejected_by", "requests", "errors", "ejections",
                "latency_ms", "active", "failures", "connections",
            ])

        let listeners = try await bench.json("GET", "/v1/listeners").object["listeners"] as? [[String: Any]]
        #expect(
            Set(listeners?[0].keys.map { $0 } ?? []) == ["name", "protocol", "addresses", "connections", "accepted"])

        let routes = try #require(try await bench.json("GET", "/v1/routes").object["routes"] as? [[String: Any]])
        #expect(Set(routes[0].keys) == ["name", "listeners", "match", "to", "requests"])
    }

    @Test("routes say what they match in the words of the site file")
    func matchDocument() async throws {
        let match = """
            {path: {regex: "/v[0-9]+"}, method: [GET, PURGE], header: {X-Beta_Two: "1", accept: {prefix: a, regex: "ab"}}, \
            query: {aB_c: {present: false}, d: {present: true}}}
            """
        let bench = try await ControlBench()
        _ = try await bench.start(
            ControlBench.site.replacingOccurrences(
                of: "  - to: app", with: "  - {match: \(match), to: app}\n  - to: app"))
        let routes = try #require(try await bench.json("GET", "/v1/routes").object["routes"] as? [[String: Any]])
        let found = try #require(routes[0]["match"] as? NSDictionary)
        #expect(
            found == [
                "host": [String](), "path": ["regex": "/v[0-9]+"], "method": ["GET", "PURGE"],
                "header": ["x-beta_two": "1", "accept": ["prefix": "a", "regex": "ab"]] as [String: Any],
                "query": ["aB_c": ["present": false], "d": ["present": true]],
            ] as NSDictionary)
        #expect(
            routes[1]["match"] as? NSDictionary
                == [
                    "host": [String](), "method": [String](), "header": [String: String](), "query": [String: String](),
                ]
                as NSDictionary)
        // What the command reads back is the same, names of fields and parameters included.
        let documents = try await bench.controller.routesDocument()
        #expect(
            try APIHandler.decoder.decode(RoutesDocument.self, from: APIHandler.encoder.encode(documents)) == documents)
        let document = documents.routes[0].match
        #expect(Set(document.query.keys) == ["aB_c", "d"])
        #expect(
            document.conditionsText
                == "GET|PURGE, header accept prefix a regex ab, header x-beta_two = 1, query aB_c absent, query d present"
        )
    }

    @Test("publishing answers 201, and the store knows who asked")
    func publishes() async throws {
        let bench = try await ControlBench.started()
        let (code, document) = try await bench.json(
            "POST", "/v1/revisions?comment=two%20words+more&file=edge.yaml", body: ControlBench.changedSite)
        #expect(code == 201)
        #expect(document["revision"] as? Int == 2)
        #expect(document["dry_run"] as? Bool == false)
        let stored = try await bench.store.newest()
        #expect(stored?.author == Peer(uid: getuid(), pid: getpid()))
        #expect(stored?.comment == "two words more")
        #expect(stored?.file == "edge.yaml")
    }

    @Test("a dry run answers 200 and changes nothing", arguments: ["true", "1", ""])
    func dryRun(value: String) async throws {
        let bench = try await ControlBench.started()
        let (code, document) = try await bench.json(
            "POST", "/v1/revisions?dry_run=\(value)", body: ControlBench.changedSite)
        #expect(code == 200)
        #expect(document["dry_run"] as? Bool == true)
        #expect(try await bench.store.newest()?.number == 1)
    }

    @Test("a bad file answers 422 with places, named as the operator named the file")
    func diagnostics() async throws {
        let bench = try await ControlBench.started()
        let (code, document) = try await bench.json("POST", "/v1/revisions?file=a/b.yaml", body: "colour: red\n")
        #expect(code == 422)
        let error = try #require(document["error"] as? [String: Any])
        let diagnostics = try #require(error["diagnostics"] as? [[String: Any]])
        #expect(diagnostics.contains { $0["file"] as? String == "a/b.yaml" && $0["line"] as? Int == 1 })
        #expect(diagnostics.allSatisfy { $0["message"] is String && $0["column"] is Int })
    }

    @Test("text that is no UTF-8 answers 422")
    func refusesOtherEncodings() async throws {
        let bench = try await ControlBench.started()
        #expect(try await bench.request("POST", "/v1/revisions", body: [0x61, 0xff, 0xfe]).status == 422)
    }

    @Test(
        "errors have their status and a message",
        arguments: [
            ("GET", "/v1/nothing", "", 404), ("POST", "/v1/nodes/proxy-9/drain", "", 404),
            ("POST", "/v1/nodes/forwarder/drain", "", 409),
            ("POST", "/v1/pools/none/endpoints/127.0.0.1:1/drain", "", 404),
            ("POST", "/v1/pools/app/endpoints/127.0.0.1:1/drain", "", 404),
            ("POST", "/v1/pools/app/endpoints/nonsense/drain", "", 404), ("DELETE", "/v1/status", "", 405),
            ("PUT", "/v1/scale", "{}", 422), ("PUT", "/v1/scale", "four", 422),
            ("PUT", "/v1/scale", "{\"proxies\": -1}", 422), ("PUT", "/v1/scale", "{\"proxies\": 257}", 422),
            ("POST", "/v1/revisions?dry_run=perhaps", "a: 1", 422),
        ] as [(String, String, String, Int)])
    func errors(method: String, target: String, body: String, status: Int) async throws {
        let bench = try await ControlBench.started()
        let answer = try await bench.json(method, target, body: body)
        #expect(answer.status == status)
        let error = try #require(answer.object["error"] as? [String: Any])
        #expect((error["message"] as? String)?.isEmpty == false)
        #expect(error["diagnostics"] is [Any])
    }

    @Test("a 405 says what is allowed")
    func allows() async throws {
        let bench = try await ControlBench.started()
        let head = try await bench.request("DELETE", "/v1/revisions").head
        #expect(head.contains("Allow: GET, HEAD, POST"))
    }

    @Test("a body is taken up to its bound, and refused with 413 beyond", arguments: [(0, 422), (1, 413)])
    func boundsBodies(excess: Int, status: Int) async throws {
        let bench = try await ControlBench.started()
        // A comment line: no site, but small work for the compiler.
        let body = [UInt8](repeating: UInt8(ascii: "#"), count: APIHandler.bodyBytesMax + excess)
        #expect(try await bench.request("POST", "/v1/revisions", body: body).status == status)
    }

    @Test("drain, resume and scale over HTTP")
    func changes() async throws {
        let bench = try await ControlBench.started()
        var answer = try await bench.json("POST", "/v1/nodes/proxy-1/drain")
        #expect(answer.status == 200)
        #expect(answer.object["state"] as? String == "draining")
        #expect(await bench.controller.members.nodes["proxy-1"]?.state == .draining)
        answer = try await bench.json("POST", "/v1/nodes/proxy-1/resume")
        #expect(answer.status == 200)
        #expect(await bench.controller.members.nodes["proxy-1"]?.state == .up)
        answer = try await bench.json("POST", "/v1/pools/app/endpoints/127.0.0.1%3A9001/drain")
        #expect(answer.object["name"] as? String == "app/127.0.0.1:9001")
        answer = try await bench.json("PUT", "/v1/scale", body: "{\"proxies\": 3}")
        #expect(answer.object["proxies"] as? Int == 3)
        #expect(bench.nodes.runningIDs.count == 4)
    }

    @Test("HEAD answers as GET, without a body; the socket is for owner and group only")
    func headAndMode() async throws {
        let bench = try await ControlBench.started()
        let answer = try await bench.request("HEAD", "/v1/status")
        #expect(answer.status == 200)
        #expect(answer.body.isEmpty)
        let attributes = try FileManager.default.attributesOfItem(atPath: bench.directory.path("api.sock"))
        #expect(attributes[.posixPermissions] as? Int == 0o660)
    }
}
