"""A system under test: its processes from start to stop, whatever it is."""

import functools
import os
import resource
import select
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import processes

REPOSITORY = Path(__file__).resolve().parents[2]
PEER_FILES = REPOSITORY / "scripts" / "bench-peers"

SLOW_HOST = 4  # 127.0.0.4
GRPC_HOST = 5
START_SECONDS = 20
STOP_SECONDS = 20

_next_port = 18080  # below the kernel's ephemeral range, so that no outgoing connection takes one in between


class BenchError(Exception):
    """Something that ends the run, told in one line."""


def free_port():
    global _next_port
    while _next_port < 32768:
        port, _next_port = _next_port, _next_port + 1
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise BenchError("no free TCP port between 18080 and 32767")


def connect(port, scenario):
    """A connection of a client of the scenario's kind, its handshake done."""
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if scenario.kind != "https":
        return client
    return _tls("h2" if scenario.streams else "http/1.1").wrap_socket(client)


@functools.cache
def _tls(protocol):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


def raise_descriptor_limit():
    """Lets us and every process that we start open as many descriptors as the system allows; returns how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class System:
    """One system under test in one scenario: its processes, and the port that clients dial.

    `directory` holds everything that it writes; it also marks the processes that belong to it (see `processes.family`).
    """

    name = ""
    hosts = 0  # requests go to h0.example, h1.example, … in turn; 0: to one host

    def __init__(self, scenario, endpoint_port, directory, cpus=None):
        self.scenario = scenario
        # Hosts of loopback that the endpoint listens on, the one of the slow endpoint, the one of HTTP/2.
        hosts = (1, 2, 3, SLOW_HOST) if scenario and scenario.slow_ms else (1,)
        if scenario and scenario.kind == "grpc":
            hosts = (GRPC_HOST,)
        self.endpoint = f"127.0.0.{hosts[0]}:{endpoint_port}"
        self.endpoints = [f"127.0.0.{host}:{endpoint_port}" for host in hosts]
        self.directory = directory
        self.cpus = cpus  # "0" or "1,2": keeps the system on these; None: anywhere
        self.port = free_port()
        self._programs = []
        directory.mkdir()

    def start(self):
        """Returns once the system accepts connections.

        - Raises BenchError: it ended, or did not accept in START_SECONDS.
        """
        self._launch()
        deadline = time.monotonic() + START_SECONDS
        while not _accepts(self.port):
            self.check_alive()
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name}: nothing accepts on 127.0.0.1:{self.port} after {START_SECONDS} s")
            select.select([], [], [], 0.002)

    def processes(self):
        return processes.family([program.pid for program in self._programs], self.directory)

    def memory(self):
        return processes.memory(self.processes())

    def check_alive(self):
        for program in self._programs:
            if program.poll() is not None:
                raise BenchError(f"{self.name} ended with status {program.returncode}; it said: {self._log()}")

    def _log(self):
        return (self.directory / "log").read_text(errors="replace").strip()[-2000:]

    def stop(self):
        """Asks each process to end, then makes what is left end."""
        everything = self.processes()
        for program in self._programs:
            program.send_signal(signal.SIGTERM)
        for program in self._programs:
            try:
                program.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
        for pid in set(self.processes()) & set(everything):
            os.kill(pid, signal.SIGKILL)

    def _launch(self):
        raise NotImplementedError

    def _spawn(self, *command, stdout=None):
        if self.cpus:
            command = ("taskset", "--cpu-list", self.cpus, *command)
        with open(self.directory / "log", "ab") as log:
            program = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log)
        self._programs.append(program)
        return program

    def _render(self, template, **values):
        """Writes scripts/bench-peers/`template` with each @NAME@ replaced into a directory of its own."""
        directory = self.directory / template.partition(".")[0]
        directory.mkdir()
        text = (PEER_FILES / template).read_text()
        for key, value in {"DIR": directory, **values}.items():
            text = text.replace(f"@{key}@", str(value))
        path = directory / template
        path.write_text(text)
        return path


def _accepts(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
