import Foundation
import TestKit

/// An endpoint that speaks HTTP/2 in the clear and does what the path says, right or wrong; made with the Python library
/// `h2`, which isn't ours.
///
/// `/echo` answers with the body and a trailer, and says in `x-seen` how often its target has come, in `x-head` with what
/// fields. `…-once` does it the first time and echoes the next: `/refuse` (REFUSED_STREAM), `/goaway` (GOAWAY that passes the
/// stream over, and the end), `/cut` (the end alone). `/trailers?N` ends with a field of N bytes. `/resets` tells what streams
/// were reset, by target.
final class ScriptedHTTP2: Sendable {
    /// Debian's own interpreter, for which `python3-h2` is installed.
    static let python = "/usr/bin/python3"
    let port: UInt16
    private let process: ChildProcess
    var address: String { "127.0.0.1:\(port)" }
    var errors: String { process.errorText }

    /// - Parameters:
    ///   - streams: SETTINGS_MAX_CONCURRENT_STREAMS, and no extended CONNECT; nil: no bound, and extended CONNECT.
    ///   - endsAll: Each connection ends with a GOAWAY that passes its first request over.
    init(streams: Int? = nil, endsAll: Bool = false) throws {
        let port = try Ports.unused()
        self.port = port
        let process = try ChildProcess(
            [Self.python, "-c", Self.script, String(port)] + (endsAll ? ["goaway"] : streams.map { [String($0)] } ?? [])
        )
        self.process = process
        _ = try Eventually.value("the endpoint of HTTP/2", within: .seconds(20)) {
            process.outputText.contains("ready") ? true : nil
        }
    }

    func stop() { process.signal(SIGKILL) }
    func pause() { process.signal(SIGSTOP) }

    private static let script = """
        import socket, sys, threading, time
        import h2.config, h2.connection, h2.events, h2.exceptions, h2.settings
        seen, resets, lock = {}, {}, threading.Lock()
        ends_all = sys.argv[2:] == ["goaway"]

        class Connection:
            def __init__(self, sock):
                self.sock, self.bodies, self.heads, self.sending, self.done = sock, {}, {}, {}, set()
                self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
                    client_side=False, header_encoding="utf-8", validate_outbound_headers=False,
                    normalize_outbound_headers=False))

            def flush(self):
                self.sock.sendall(self.h2.data_to_send())

            def answer(self, stream, status="200", fields=(), body=b"", trailers=None):
                empty = not body and trailers is None
                self.h2.send_headers(stream, [(":status", status), *fields], end_stream=empty)
                if not empty:
                    self.sending[stream] = (body, trailers)
                    self.pump()

            def pump(self):
                for stream, (body, trailers) in list(self.sending.items()):
                    while body:
                        count = min(len(body), self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
                        if count <= 0:
                            break
                        self.h2.send_data(stream, body[:count], end_stream=trailers is None and count == len(body))
                        body = body[count:]
                    self.sending[stream] = (body, trailers)
                    if not body:
                        del self.sending[stream]
                        if trailers is not None:
                            self.h2.send_headers(stream, trailers, end_stream=True)

            def reset(self, stream, code):
                self.done.add(stream)
                try:
                    self.h2.reset_stream(stream, code)
                except h2.exceptions.StreamClosedError:
                    pass

            def head(self, stream, head):
                self.heads[stream], self.bodies[stream] = head, b""
                path = head[":path"]
                with lock:
                    seen[path] = seen.get(path, 0) + 1
                    first = seen[path] == 1
                kind = path.split("?")[0]
                if kind == "/refuse" or kind == "/refuse-once" and first:
                    self.reset(stream, 7)
                elif ends_all or kind == "/goaway" or kind == "/goaway-once" and first:
                    self.h2.close_connection(last_stream_id=max(stream - 2, 0))
                    self.flush()
                    self.ended = True
                    self.sock.shutdown(socket.SHUT_RDWR)
                elif kind == "/cut" or kind == "/cut-once" and first:
                    self.ended = True
                    self.sock.shutdown(socket.SHUT_RDWR)
                elif kind == "/reset":
                    self.reset(stream, 2)
                elif kind == "/half":
                    self.h2.send_headers(stream, [(":status", "200"), ("content-length", "100")])
                    self.h2.send_data(stream, b"0123456789")
                    self.reset(stream, 2)
                elif kind == "/early":
                    self.h2.send_headers(stream, [(":status", "413"), ("x-early", "1")], end_stream=True)
                    self.flush()
                    self.reset(stream, 0)
                elif kind == "/malformed":
                    bad = {
                        "connection": ("connection", "close"), "capital": ("X-Capital", "1"), "te": ("te", "gzip"),
                        "coding": ("transfer-encoding", "chunked"), "line": ("x-a", "b\\r\\nx-c: d"), "nul": ("x-a", "b\\0c"),
                        "pseudo": (":path", "/"),
                    }
                    what = path.split("?")[1]
                    if what == "status":
                        self.h2.send_headers(stream, [(":status", "2x0")], end_stream=True)
                    elif what == "none":
                        self.h2.send_headers(stream, [("x-a", "b")], end_stream=True)
                    elif what == "length":
                        self.h2.send_headers(stream, [(":status", "200"), ("content-length", "5")])
                        self.h2.send_data(stream, b"123", end_stream=True)
                    elif what == "switch":
                        self.h2.send_headers(stream, [(":status", "101")])
                    else:
                        self.h2.send_headers(stream, [(":status", "200"), bad[what]], end_stream=True)
                elif kind == "/interim":
                    self.h2.send_headers(stream, [(":status", "103"), ("link", "</a.css>")])
                    self.answer(stream, body=b"ok")
                elif head[":method"] == "CONNECT":
                    self.h2.send_headers(stream, [(":status", "200")])

            def data(self, event):
                head = self.heads[event.stream_id]
                if head[":method"] == "CONNECT":
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    self.h2.send_data(event.stream_id, event.data)
                    return
                self.bodies[event.stream_id] += event.data
                if not head[":path"].startswith("/stuck"):
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

            def end(self, stream, trailers):
                head, body = self.heads[stream], self.bodies[stream]
                path = head[":path"]
                kind = path.split("?")[0]
                with lock:
                    fields = [("x-seen", str(seen[path])), ("x-head", repr(sorted(head.items()))), ("x-trailers", repr(trailers))]
                    given_up = dict(resets)
                if kind in ("/echo", "/refuse-once", "/goaway-once", "/cut-once", "/stuck"):
                    self.answer(stream, fields=fields, body=body, trailers=[("x-sum", str(len(body)))])
                elif kind == "/trailers":
                    self.answer(stream, body=b"x", trailers=[("x-note", "n" * int(path.split("?")[1]))])
                elif kind == "/resets":
                    self.answer(stream, body=repr(given_up).encode())
                elif kind == "/large":
                    self.answer(stream, body=b"0123456789" * int(path.split("?")[1]))
                elif kind == "/sized":
                    self.answer(stream, fields=[("content-length", "5")], body=b"" if head[":method"] == "HEAD" else b"hello")
                elif kind == "/empty":
                    self.answer(stream, "204")

            def run(self):
                self.ended = False
                self.h2.initiate_connection()
                settings = {h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1}
                if len(sys.argv) > 2 and not ends_all:
                    settings = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: int(sys.argv[2])}
                self.h2.update_settings(settings)
                self.flush()
                trailers = {}
                while True:
                    received = self.sock.recv(65536)
                    if not received:
                        return
                    for event in self.h2.receive_data(received):
                        if self.ended:
                            return
                        if getattr(event, "stream_id", None) in self.done:
                            continue
                        if isinstance(event, h2.events.RequestReceived):
                            self.head(event.stream_id, dict(event.headers))
                        elif isinstance(event, h2.events.DataReceived):
                            self.data(event)
                        elif isinstance(event, h2.events.TrailersReceived):
                            trailers[event.stream_id] = event.headers
                        elif isinstance(event, h2.events.StreamEnded):
                            self.end(event.stream_id, trailers.get(event.stream_id))
                        elif isinstance(event, h2.events.StreamReset):
                            self.sending.pop(event.stream_id, None)
                            with lock:
                                path = self.heads[event.stream_id][":path"]
                                resets[path] = int(event.error_code)
                    self.pump()
                    self.flush()

            def serve(self):
                try:
                    self.run()
                except (OSError, h2.exceptions.ProtocolError) as error:
                    print(repr(error), file=sys.stderr, flush=True)
                finally:
                    self.sock.close()

        listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
        print("ready", flush=True)
        while True:
            accepted = listener.accept()[0]
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Connection(accepted).serve, daemon=True).start()
        """
}
