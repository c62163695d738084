"""The scenarios: what is asked, how often, through what kind of system."""

import math
from dataclasses import dataclass

KIB, MIB = 1 << 10, 1 << 20


@dataclass(frozen=True)
class Scenario:
    name: str
    about: str
    # "http", "https", "grpc": one proxy (the last: HTTP/2 on both sides, a POST of a message, an answer with trailers);
    # "tcp": a relay; "twotier": a relay in front of a proxy, on this host
    kind: str
    body_bytes: int
    connections: int
    new_connections: bool = False  # every request on a connection of its own
    resumes: bool = False  # each of them takes up the TLS session of the one before
    streams: int = 0  # of each connection at once, by HTTP/2: by ALPN, in the clear with prior knowledge; 0: HTTP/1.1
    routes: int = 1  # of the site, by host and path; requests go to all of its hosts in turn
    slow_ms: int = 0  # of four endpoints one takes so long for each answer; 0: one endpoint
    pause_ms: int = 0  # a connection waits that long on average between a response and its next request
    systems: tuple = ()  # only these; empty: all that are of the scenario's kind

    @property
    def path(self):
        return f"/{self.body_bytes}.grpc" if self.kind == "grpc" else f"/{self.body_bytes}"

    @property
    def hosts(self):
        return hosts_of(self.routes)

    @property
    def is_bulk(self):
        """Throughput is told in bytes, and requests cut off by the end of a round are counted by their bytes."""
        return self.body_bytes >= MIB

    @property
    def moves_data(self):
        return self.body_bytes >= 64 * KIB


def hosts_of(routes):
    """Hosts of a site with so many routes: each has about as many paths. 0: one route takes every host."""
    return math.isqrt(routes) if routes > 1 else 0


ALL = [
    Scenario("http-128", "HTTP keep-alive, 128 B", "http", 128, 64),
    Scenario("http-128-routes-10", "HTTP keep-alive, 128 B, 10 routes by host and path", "http", 128, 64, routes=10,
             systems=("sluice", "sluice-1-route")),
    Scenario("http-128-routes-10k", "HTTP keep-alive, 128 B, 10,000 routes by host and path", "http", 128, 64,
             routes=10_000, systems=("sluice", "sluice-10-routes")),
    # Some 70 % of what the better peer does at most in http-128, on the machine of the README's table.
    Scenario("http-128-part-load", "HTTP keep-alive, 128 B, 70 % load: each connection asks 1 to 5 ms after an answer",
             "http", 128, 100, pause_ms=3),
    Scenario("http-1k", "HTTP keep-alive, 1 KiB", "http", KIB, 64),
    Scenario("http-slow-endpoint", "HTTP keep-alive, 128 B, four endpoints, one of them takes 200 ms", "http", 128, 64,
             slow_ms=200, systems=("sluice", "sluice-round-robin", "haproxy", "nginx")),
    Scenario("http-64k", "HTTP keep-alive, 64 KiB", "http", 64 * KIB, 32),
    Scenario("http-1m", "HTTP keep-alive, 1 MiB", "http", MIB, 16),
    Scenario("http-newconn", "HTTP, new connection per request, 128 B", "http", 128, 64, new_connections=True),
    Scenario("http2-128", "HTTP/2, 10 connections × 32 streams, 128 B", "http", 128, 10, streams=32),
    Scenario("http2-64k", "HTTP/2, 4 connections × 8 streams, 64 KiB", "http", 64 * KIB, 4, streams=8),
    Scenario("https2-128", "HTTP/2 over TLS, 10 connections × 32 streams, 128 B", "https", 128, 10, streams=32),
    Scenario("https2-64k", "HTTP/2 over TLS, 4 connections × 8 streams, 64 KiB", "https", 64 * KIB, 4, streams=8),
    Scenario("grpc-unary", "gRPC in the clear, unary, 32 B up and 128 B down, 10 connections × 32 streams", "grpc", 128, 10,
             streams=32),
    Scenario("https-128", "HTTPS (TLS 1.3, ECDSA P-256) keep-alive, 128 B", "https", 128, 64),
    Scenario("https-1m", "HTTPS keep-alive, 1 MiB", "https", MIB, 16),
    Scenario("https-newconn", "HTTPS, new connection and full handshake per request, 128 B", "https", 128, 16,
             new_connections=True),
    Scenario("https-resumed", "HTTPS, new connection and resumed session per request, 128 B", "https", 128, 16,
             new_connections=True, resumes=True),
    Scenario("tcp-128", "TCP relay, keep-alive, 128 B", "tcp", 128, 64),
    Scenario("tcp-newconn", "TCP relay, new connection per request, 128 B", "tcp", 128, 64, new_connections=True),
    Scenario("tcp-16m", "TCP relay, bulk, 16 MiB", "tcp", 16 * MIB, 8),
    Scenario("twotier-128", "two tiers, keep-alive, 128 B", "twotier", 128, 64),
    Scenario("twotier-newconn", "two tiers, new connection per request, 128 B", "twotier", 128, 64,
             new_connections=True),
]

BY_NAME = {scenario.name: scenario for scenario in ALL}
