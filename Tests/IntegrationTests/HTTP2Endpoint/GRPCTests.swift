import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// Both ends are `grpcio`, the C library under Python: what it checks of gRPC over HTTP/2, it checks through both tiers.
    @Suite("gRPC between real libraries", .serialized)
    struct GRPCTests {
        /// Debian's own interpreter, for which `python3-grpcio` is installed.
        private static let python = "/usr/bin/python3"

        private static let server = """
            import sys, threading, time
            from concurrent import futures
            import grpc
            cancelled = threading.Event()
            def unary(request, context):
                context.set_trailing_metadata((("x-size", str(len(request))),))
                return request[::-1]
            def down(request, context):
                for number in range(int(request)):
                    yield b"%d " % number + b"x" * 1000
            def up(requests, context):
                return b"%d" % sum(len(request) for request in requests)
            def both(requests, context):
                for request in requests:
                    yield request.upper()
            def fail(request, context):
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not today: 100%")
            def slow(request, context):
                context.add_callback(cancelled.set)
                left = context.time_remaining()
                yield b"%d" % (0 if left is None or left > 1e6 else int(left * 1000))
                cancelled.wait(30)
            def never(request, context):
                over = threading.Event()
                context.add_callback(over.set)
                over.wait(30)
                yield b"late"
            def asked(request, context):
                return b"yes" if cancelled.wait(10) else b"no"
            def quick(request, context):
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you")
            handlers = {
                "Unary": grpc.unary_unary_rpc_method_handler(unary),
                "Down": grpc.unary_stream_rpc_method_handler(down),
                "Up": grpc.stream_unary_rpc_method_handler(up),
                "Both": grpc.stream_stream_rpc_method_handler(both),
                "Fail": grpc.unary_unary_rpc_method_handler(fail),
                "Slow": grpc.unary_stream_rpc_method_handler(slow),
                "Never": grpc.unary_stream_rpc_method_handler(never),
                "Asked": grpc.unary_unary_rpc_method_handler(asked),
                "Quick": grpc.stream_stream_rpc_method_handler(quick),
            }
            server = grpc.server(futures.ThreadPoolExecutor(64))
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", handlers),))
            if len(sys.argv) > 2:
                read = lambda name: open(name, "rb").read()
                credentials = grpc.ssl_server_credentials(((read(sys.argv[2]), read(sys.argv[3])),))
                server.add_secure_port(f"127.0.0.1:{sys.argv[1]}", credentials)
            else:
                server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
            server.start()
            print("ready", flush=True)
            server.wait_for_termination()
            """

        private static let client = """
            import queue, sys, threading, time
            import grpc
            channel = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}", options=(("grpc.enable_retries", 0),))
            unary = channel.unary_unary("/test.Service/Unary")
            def refused(code, call):
                try:
                    call()
                except grpc.RpcError as error:
                    assert error.code() == code, (error.code(), error.details())
                    return error.details()
                raise AssertionError(f"answered instead of {code}")
            def basics():
                answer, call = unary.with_call(b"hello", timeout=20)
                assert answer == b"olleh", answer
                assert dict(call.trailing_metadata())["x-size"] == "5", call.trailing_metadata()
                large = b"0123456789" * 200000
                assert unary(large, timeout=30) == large[::-1]
                down = list(channel.unary_stream("/test.Service/Down")(b"500", timeout=30))
                assert len(down) == 500 and down[499].startswith(b"499 "), len(down)
                assert list(channel.unary_stream("/test.Service/Down")(b"0", timeout=30)) == []
                up = channel.stream_unary("/test.Service/Up")((b"x" * 1000 for _ in range(500)), timeout=30)
                assert up == b"500000", up
            def conversation():
                # One message at a time: nothing may wait for more to come.
                words = queue.Queue()
                answers = channel.stream_stream("/test.Service/Both")(iter(words.get, None), timeout=30)
                for number in range(50):
                    words.put(b"word %d" % number)
                    assert next(answers) == b"WORD %d" % number
                words.put(None)
                assert list(answers) == []
            def errors():
                details = refused(grpc.StatusCode.FAILED_PRECONDITION,
                    lambda: channel.unary_unary("/test.Service/Fail")(b"", timeout=20))
                assert details == "not today: 100%", details
                refused(grpc.StatusCode.UNIMPLEMENTED, lambda: channel.unary_unary("/test.Service/None")(b"", timeout=20))
                words = queue.Queue()
                words.put(b"one")
                refused(grpc.StatusCode.UNAUTHENTICATED, lambda: list(
                    channel.stream_stream("/test.Service/Quick")(iter(words.get, None), timeout=20)))
                words.put(None)
            def ends():
                slow = channel.unary_stream("/test.Service/Slow")
                call = slow(b"", timeout=20)
                # Clients round up.
                assert 15000 < int(next(call)) <= 21000
                call.cancel()
                assert channel.unary_unary("/test.Service/Asked")(b"", timeout=20) == b"yes"
                begun = time.monotonic()
                refused(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: list(
                    channel.unary_stream("/test.Service/Never")(b"", timeout=0.5)))
                assert time.monotonic() - begun < 5
            def many():
                failed = []
                def talk():
                    try:
                        for _ in range(50):
                            assert unary(b"abc", timeout=30) == b"cba"
                    except Exception as error:
                        failed.append(error)
                threads = [threading.Thread(target=talk) for _ in range(40)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
                assert not failed, failed[0]
            for part in (basics, conversation, errors, ends, many):
                part()
                print(part.__name__, flush=True)
            """

        /// Calls that the proxy answers itself.
        private static let refusals = """
            import sys
            import grpc
            channel = grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}", options=(("grpc.enable_retries", 0),))
            for path in sys.argv[2:]:
                try:
                    channel.unary_unary(path)(b"", timeout=10)
                    print("answered")
                except grpc.RpcError as error:
                    print(error.code().name, error.details())
            """

        private func start(_ lab: Lab, _ arguments: [String] = []) throws -> (port: UInt16, process: ChildProcess) {
            let port = try Ports.unused()
            let process = try ChildProcess([Self.python, "-c", Self.server, String(port)] + arguments)
            _ = try Eventually.value("the gRPC server", within: .seconds(20)) {
                process.outputText.contains("ready") ? true : nil
            }
            return (port, process)
        }

        private let parts = "basics\nconversation\nerrors\nends\nmany\n"

        @Test("unary, streams both ways, errors, trailers, cancellation, deadlines, 40 callers at once")
        func calls() throws {
            try Lab.run { lab in
                let (endpoint, server) = try start(lab)
                defer { server.signal(SIGKILL) }
                let port = try Ports.unused()
                let site = try lab.site(
                    SiteText.http(port, to: ["127.0.0.1:\(endpoint)"], nodes: 1, workers: 2, pool: "protocol: http2"))
                let result = try Command.run([Self.python, "-c", Self.client, String(port)], within: .seconds(120))
                #expect(result.exitCode == 0 && result.text == parts, "\(result)\(server.errorText)")
                // One client connection belongs to one worker, and its calls share connections.
                #expect(try site.metric("sluice_http2_connections", ["side": "endpoint"]) <= 2)
                try Eventually.holds("no stream is left over") {
                    try site.metric("sluice_http2_streams", ["side": "endpoint"]) == 0
                }
            }
        }

        @Test("the same inside of TLS to the endpoint, and with windows and streams that are scarce")
        func secured() throws {
            try Lab.run { lab in
                let directory = try TemporaryDirectory()
                let authority = try TestAuthority(in: directory)
                try authority.issue("grpc", for: ["grpc.test"])
                let (endpoint, server) = try start(lab, [directory.file("grpc.key"), directory.file("grpc.pem")])
                defer { server.signal(SIGKILL) }
                let port = try Ports.unused()
                let pool =
                    "protocol: auto, connections: {max: 4, streams: 8}, tls: {ca: \"\(authority.certificate)\", server_name: grpc.test}"
                _ = try lab.site(SiteText.http(port, to: ["127.0.0.1:\(endpoint)"], nodes: 1, pool: pool))
                let result = try Command.run([Self.python, "-c", Self.client, String(port)], within: .seconds(120))
                #expect(result.exitCode == 0 && result.text == parts, "\(result)\(server.errorText)")
            }
        }

        @Test("what the proxy answers itself is gRPC: no route, no endpoint, a deadline, too many requests")
        func refusals() throws {
            try Lab.run { lab in
                let silent = try ScriptedHTTP2()
                defer { silent.stop() }
                let (port, gone) = (try Ports.unused(), try Ports.unused())
                let site = try lab.site(
                    """
                    proxy: {nodes: 1}
                    listeners: {web: {address: "127.0.0.1:\(port)"}}
                    routes:
                      - {to: gone, match: {path: {prefix: /gone}}}
                      - {to: silent, match: {path: {prefix: /wait}}, timeout: {response: 300ms}}
                      - {to: full, match: {path: {prefix: /full}}}
                    pools:
                      gone: {endpoints: ["127.0.0.1:\(gone)"], protocol: http2}
                      silent: {endpoints: ["\(silent.address)"], protocol: http2}
                      full: {endpoints: ["\(silent.address)"], protocol: http2, connections: {max: 1, streams: 1, queue: 0}}
                    """)
                let holding = try RawHTTP2(port)
                defer { holding.close() }
                try holding.send(holding.get(1, path: "/full/held"))
                try Eventually.holds("the only stream that may be") {
                    try site.metric("sluice_http2_streams", ["side": "endpoint"]) == 1
                }
                let result = try Command.run(
                    [Self.python, "-c", Self.refusals, String(port), "/gone/A", "/wait/A", "/none/A", "/full/A"])
                #expect(
                    result.text == """
                        UNAVAILABLE 502 Bad Gateway
                        DEADLINE_EXCEEDED 504 Gateway Timeout
                        UNIMPLEMENTED 404 Not Found
                        UNAVAILABLE 503 Service Unavailable

                        """, "\(result)")
                for status in ["502", "504", "404", "503"] {
                    #expect(try site.metric("sluice_requests_total", ["code": status]) == 1, "\(status)")
                }
                // Who doesn't speak gRPC sees HTTP.
                let plain = try Curl.request("http://127.0.0.1:\(port)/none/A", arguments: ["--http2-prior-knowledge"])
                #expect(plain.status == 404)
            }
        }

        @Test("`grpc-timeout` bounds a call, also of a client that goes on waiting")
        func deadline() throws {
            try Lab.run { lab in
                let silent = try ScriptedHTTP2()
                defer { silent.stop() }
                let port = try Ports.unused()
                let site = try lab.site(SiteText.http(port, to: [silent.address], nodes: 1, pool: "protocol: http2"))
                let client = try RawHTTP2(port)
                defer { client.close() }
                let head = [
                    (":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/wait/A"),
                    ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "300m"),
                ]
                let clock = ContinuousClock()
                let began = clock.now
                try client.send(client.frame(1, 4, 1, client.block(head)) + client.frame(0, 1, 1))
                try client.waitForEnd(of: 1)
                #expect(clock.now - began >= .milliseconds(250), "\(clock.now - began)")
                #expect(try site.metric("sluice_requests_total", ["code": "504"]) == 1)
            }
        }
    }
}
