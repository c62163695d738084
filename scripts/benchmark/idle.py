"""Idle connections: what each costs in memory, what all of them cost in CPU, and how soon a system answers."""

import socket
import statistics
import time

import processes
from scenarios import BY_NAME
from system import START_SECONDS, BenchError, connect, raise_descriptor_limit
from systems import ALL, Sluice

IDLE_SECONDS = 3
STARTS = 5
RESERVED_DESCRIPTORS = 64
REQUEST = b"GET /128 HTTP/1.1\r\nHost: bench\r\n\r\n"


def measure(names, endpoint, directory, connections, cpus, progress):
    """One dictionary of figures for each named system, one system running at a time."""
    most = raise_descriptor_limit() - RESERVED_DESCRIPTORS
    if connections > most:
        raise BenchError(f"{connections} connections need more descriptors than the {most} allowed: raise ulimit -n")
    lines = []
    for name in names:
        progress(f"idle: {name}")
        starts = [
            _start(ALL[name](BY_NAME["http-128"], endpoint.port, directory / f"start-{name}-{number}", cpus.system))
            for number in range(STARTS)]
        medians = {key: statistics.median(start[key] for start in starts) for key in starts[0]}
        system = ALL[name](BY_NAME["http-128"], endpoint.port, directory / f"idle-{name}", cpus.system)
        try:
            lines.append({**_idle(system, connections), **medians})
        finally:
            system.stop()
        system = ALL[name](BY_NAME["https-128"], endpoint.port, directory / f"idle-tls-{name}", cpus.system)
        try:
            lines[-1]["private_bytes_per_tls_connection"] = _idle(system, connections)["private_bytes_per_connection"]
        finally:
            system.stop()
    return lines


def _idle(system, connections):
    system.start()
    clients = []
    try:
        # The first requests bring in what any number of connections needs once.
        with connect(system.port, system.scenario) as first:
            for _ in range(100):
                _exchange(first)
        before = system.memory()
        for _ in range(connections):
            clients.append(connect(system.port, system.scenario))
            _exchange(clients[-1])
        # One second for what is put off until a connection has been idle a moment; then the measured spell.
        time.sleep(1)
        after = system.memory()
        meter = processes.CPUMeter(system.processes())
        time.sleep(IDLE_SECONDS)
        used = meter.elapsed()
        for client in clients:
            _exchange(client)  # every one of them is still served
        return {
            "system": system.name, "connections": connections, "idle_seconds": IDLE_SECONDS,
            "private_bytes_per_connection": (after.private - before.private) / connections,
            "resident_bytes_before": before.resident, "resident_bytes_after": after.resident,
            "idle_cpu_ms": used.total / 1e6,
        }
    finally:
        for client in clients:
            client.close()


def _exchange(client):
    """One request and its whole response (a head, then 128 bytes) on an open connection."""
    client.sendall(REQUEST)
    received = b""
    while True:
        head, divider, body = received.partition(b"\r\n\r\n")
        if divider and len(body) >= 128:
            break
        chunk = client.recv(4096)
        if not chunk:
            raise BenchError(f"an idle connection was closed after {len(received)} bytes of a response")
        received += chunk
    if not head.startswith(b"HTTP/1.1 200 "):
        raise BenchError(f"a request was answered with {head.splitlines()[0]!r}")


def _start(system):
    """Milliseconds from starting every process of the system to the first whole answer of the endpoint.

    For sluice also without its control plane: both nodes start at once from the snapshots that they stored.
    """
    try:
        started = time.monotonic()
        system.start()
        figures = {"first_answer_ms": _until_answer(system, started)}
        if isinstance(system, Sluice):
            system.stop()
            started = time.monotonic()
            system.launch_nodes()
            figures["nodes_first_answer_ms"] = _until_answer(system, started)
        return figures
    finally:
        system.stop()


def _until_answer(system, started):
    while True:
        try:
            with socket.create_connection(("127.0.0.1", system.port), timeout=10) as client:
                _exchange(client)
            return (time.monotonic() - started) * 1e3
        except (OSError, BenchError):
            system.check_alive()
            if time.monotonic() - started > START_SECONDS:
                raise
            time.sleep(0.001)
