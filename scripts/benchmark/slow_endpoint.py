"""An endpoint that takes its time: python3 slow_endpoint.py HOST PORT MILLISECONDS answers GET /N with N bytes."""

import asyncio
import sys


async def serve(reader, writer, seconds):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.split(b" ", 2)[1][1:])
            await asyncio.sleep(seconds)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError, ValueError, IndexError):
        pass
    finally:
        writer.close()


async def main(host, port, milliseconds):
    seconds = int(milliseconds) / 1000
    server = await asyncio.start_server(lambda r, w: serve(r, w, seconds), host, int(port), backlog=1024)
    async with server:
        await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
