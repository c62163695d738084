"""A client of HTTP/2 that sends the same request again and again, as its own header table makes it cheapest: a few bytes
each, like a browser's or h2load's.
"""

import struct

from system import BenchError

DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
STATUS_200 = 0x88  # RFC 7541, Appendix A


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(text):
    return bytes([len(text)]) + text.encode()


class Client:
    """The connection that `channel`, a connected socket, carries."""

    def __init__(self, channel, scheme, host, path):
        self._channel = channel
        self._next = 1
        self._received = b""
        known = bytes([0x82, 0x87 if scheme == "https" else 0x86])  # GET, scheme
        # The first request puts its fields into the table (RFC 7541 §6.2.1); the others name their places.
        self._first = known + b"\x44" + literal(path) + b"\x41" + literal(host) + b"\x7a" + literal("costs")
        self._others = known + bytes([0xC0, 0xBF, 0xBE])
        channel.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
                        + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))

    def ask(self, requests, at_once):
        """Each group of `at_once` requests goes in one write, after the answers to the group before."""
        for _ in range(requests // at_once):
            requests = b""
            for _ in range(at_once):
                requests += frame(HEADERS, END_STREAM | END_HEADERS, self._next,
                                  self._first if self._next == 1 else self._others)
                self._next += 2
            self._channel.sendall(requests)
            ended = 0
            while ended < at_once:
                ended += self._read()

    def _read(self):
        """Takes the frame that comes next; returns how many streams it ends."""
        head = self._take(9)
        payload = self._take(int.from_bytes(head[:3], "big"))
        kind, flags = head[3], head[4]
        if kind == HEADERS and payload[0] != STATUS_200:
            raise BenchError(f"the answer's header block was {payload.hex()}")
        if kind in (RST_STREAM, GOAWAY):
            raise BenchError(f"the answer was a frame of type {kind}: {payload.hex()}")
        if kind == SETTINGS and not flags & ACK:
            self._channel.sendall(frame(SETTINGS, ACK, 0))
        return 1 if kind in (DATA, HEADERS) and flags & END_STREAM else 0

    def _take(self, count):
        while len(self._received) < count:
            chunk = self._channel.recv(1 << 20)
            if not chunk:
                raise BenchError("the connection was closed")
            self._received += chunk
        taken, self._received = self._received[:count], self._received[count:]
        return taken
