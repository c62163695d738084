import Foundation
import TestKit
import Testing

extension IntegrationTests {
    /// Both ends are the Python library `websockets`: what it checks of RFC 6455, it checks through both tiers.
    @Suite("WebSocket between real libraries")
    struct WebSocketTests {
        /// Debian's own interpreter, for which `python3-websockets` is installed.
        private static let python = "/usr/bin/python3"

        /// Echoes; `close` is answered with close code 4001, `headers` with what the endpoint got of them.
        private static let server = """
            import asyncio, sys, websockets
            async def serve(socket):
                async for message in socket:
                    if message == "close":
                        await socket.close(4001, "as asked")
                    elif message == "headers":
                        await socket.send(socket.request_headers.get("X-Forwarded-For", "none"))
                    else:
                        await socket.send(message)
            async def main():
                async with websockets.serve(serve, "127.0.0.1", int(sys.argv[1]), max_size=None, subprotocols=["echo.v1"]):
                    print("ready", flush=True)
                    await asyncio.Future()
            asyncio.run(main())
            """

        private static let client = """
            import asyncio, os, sys, websockets
            address = f"ws://127.0.0.1:{sys.argv[1]}/chat"
            async def talk(number):
                async with websockets.connect(address, max_size=None, subprotocols=["echo.v1"]) as socket:
                    assert socket.subprotocol == "echo.v1", socket.subprotocol
                    texts = (f"hello {number}", "", "\\u00e9\\u20ac" * 1000)
                    for message in (*texts, os.urandom(126), os.urandom(70000)):
                        await socket.send(message)
                        assert await asyncio.wait_for(socket.recv(), 20) == message
                    await socket.send(part for part in ("in ", "three ", "parts"))
                    assert await asyncio.wait_for(socket.recv(), 20) == "in three parts"
                    await asyncio.wait_for(await socket.ping(), 20)
            async def large():
                async with websockets.connect(address, max_size=None, compression=None) as socket:
                    message = os.urandom(8 << 20)
                    await socket.send(message)
                    assert await asyncio.wait_for(socket.recv(), 60) == message
            async def closing():
                async with websockets.connect(address) as socket:
                    await socket.send("headers")
                    assert await asyncio.wait_for(socket.recv(), 20) == "127.0.0.1"
                    await socket.send("close")
                    try:
                        await asyncio.wait_for(socket.recv(), 20)
                        raise AssertionError("still open")
                    except websockets.ConnectionClosed as closed:
                        assert (closed.rcvd.code, closed.rcvd.reason) == (4001, "as asked"), closed
            async def main():
                await asyncio.gather(*(talk(number) for number in range(100)))
                await large()
                await closing()
                print("all answered")
            asyncio.run(main())
            """

        @Test("100 conversations at once, fragments, pings, compression, 8 MiB, the close code of the endpoint")
        func conversations() throws {
            try Lab.run { lab in
                let (endpoint, port) = (try Ports.unused(), try Ports.unused())
                let server = try ChildProcess([Self.python, "-c", Self.server, String(endpoint)])
                _ = try Eventually.value("the WebSocket server", within: .seconds(20)) {
                    server.outputText.contains("ready") ? true : nil
                }
                let site = try lab.site(SiteText.http(port, to: ["127.0.0.1:\(endpoint)"], workers: 2))
                let result = try Command.run([Self.python, "-c", Self.client, String(port)], within: .seconds(120))
                #expect(result.exitCode == 0 && result.text == "all answered\n", "\(result)\(server.errorText)")
                #expect(try site.metric("sluice_requests_total", ["code": "101"]) == 102)
            }
        }
    }
}
