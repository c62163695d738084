"""The load: wrk (HTTP/2: h2load; handshakes: openssl s_time) for one round, read back as numbers."""

import json
import math
import os
import re
import shlex
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import processes
from system import BenchError

MESSAGE = Path(__file__).with_name("message.grpc")
REPORT = Path(__file__).with_name("wrk-report.lua")
# All of the load offers one cipher suite, so that each system does the same work, whatever it prefers.
ENVIRONMENT = {**os.environ, "OPENSSL_CONF": str(Path(__file__).with_name("openssl.cnf"))}


@dataclass(frozen=True)
class Round:
    """One system under load for some seconds. CPU is microseconds per request of all its processes and threads."""

    requests: float
    seconds: float
    user_us: float
    system_us: float
    p50_us: int | None  # None: the load doesn't tell
    p99_us: int | None
    errors: dict  # wrk's counts: connect, read, write, timeout, status (not 2xx or 3xx)
    bytes_per_request: int

    @property
    def is_valid(self):
        return self.requests > 0 and not any(self.errors.values())

    @property
    def cpu_us(self):
        return self.user_us + self.system_us

    @property
    def requests_per_second(self):
        return self.requests / self.seconds

    @property
    def gigabytes_per_cpu_second(self):
        return self.bytes_per_request / 1e3 / self.cpu_us

    def as_json(self):
        return {
            **asdict(self), "cpu_us": self.cpu_us, "requests_per_second": self.requests_per_second,
            "gigabytes_per_cpu_second": self.gigabytes_per_cpu_second, "valid": self.is_valid,
        }


def command(scenario, port, seconds, cpus=None, hosts=0, log=None):
    words = ["taskset", "--cpu-list", cpus] if cpus else []
    scheme = "https" if scenario.kind == "https" else "http"
    if measures_handshakes(scenario):
        # One connection at a time: `connections` of them run at once.
        return words + ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-www", scenario.path, "-time",
                        str(seconds), "-reuse" if scenario.resumes else "-new"]
    if scenario.streams:
        message = ["--data", str(MESSAGE), "--header", "content-type: application/grpc", "--header", "te: trailers"]
        return words + ["h2load", *(message if scenario.kind == "grpc" else ()), "--threads", "1", "--clients", str(scenario.connections), "--max-concurrent-streams",
                        str(scenario.streams), "--duration", str(seconds), "--log-file", str(log),
                        f"{scheme}://127.0.0.1:{port}{scenario.path}"]
    words += ["wrk", "--threads", "1", "--connections", str(scenario.connections), "--duration", f"{seconds}s",
              "--timeout", "10s", "--latency", "--script", str(REPORT)]
    if scenario.new_connections:
        words += ["--header", "Connection: close"]
    return words + [f"{scheme}://127.0.0.1:{port}{scenario.path}", "--", str(hosts), str(scenario.pause_ms)]


def measures_handshakes(scenario):
    """wrk won't do for them: it takes up a connection's last session whenever the server gives tickets."""
    return scenario.kind == "https" and scenario.new_connections


def check_answer(system):
    """s_time counts bytes and knows no status; it asks as here, in HTTP/1.0 without a host."""
    if not measures_handshakes(system.scenario):
        return
    request = f"GET {system.scenario.path} HTTP/1.0\r\n\r\n".encode()
    said = subprocess.run(["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{system.port}"], input=request,
                          capture_output=True, check=False, timeout=10).stdout
    if not re.match(rb"HTTP/1\.[01] 200 ", said):
        raise BenchError(f"{system.name} doesn't answer s_time: {said.partition(bytes([10]))[0]!r}")


def s_time_report(texts, scenario, seconds):
    """What all the s_time say: a letter for each connection, `r` when it took up a session. Of a connection whose
    answer isn't whole nothing is said; one process counts what all its connections have read.
    """
    letters = [letter for text in texts for letter in "".join(re.findall(r"^[rst*]+$", text, re.MULTILINE))]
    resumed = letters.count("r")
    each = {int(count) for text in texts for count in re.findall(r"(\d+) bytes read per connection", text)}
    return {
        "requests": len(letters), "microseconds": seconds * 1e6, "p50": None, "p99": None,
        "errors": {"connect": 0, "read": 0, "write": 0, "timeout": 0,
                   "status": sum(count < scenario.body_bytes for count in each),
                   "handshake": len(letters) - resumed if scenario.resumes else resumed},
    }


def h2load_report(text, log, seconds):
    """What h2load says, in the words of wrk-report.lua. Its log has a line for each request: start, status, microseconds."""
    counts = re.search(r"requests: .*?(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
    if not counts:
        raise BenchError(f"not a report of h2load: {text}")
    if "Application protocol: h2" not in text:
        raise BenchError(f"h2load didn't speak HTTP/2: {text}")
    succeeded, failed, errored, timeout = map(int, counts.groups())
    times = sorted(int(line.rsplit("\t", 1)[1]) for line in log.read_text().splitlines())
    log.unlink()
    return {
        "requests": succeeded, "bytes": 0, "microseconds": seconds * 1e6,
        "p50": times[len(times) // 2] if times else 0, "p99": times[len(times) * 99 // 100] if times else 0,
        "errors": {"connect": 0, "read": errored, "write": 0, "timeout": timeout, "status": max(0, failed - errored - timeout)},
    }


def run(system, seconds, cpus=None):
    """Puts load on `system` for about `seconds` and measures what it used meanwhile."""
    log = system.directory / "h2load.log"
    words = command(system.scenario, system.port, seconds, cpus, system.hosts, log)
    count = system.scenario.connections if measures_handshakes(system.scenario) else 1
    meter = processes.CPUMeter(system.processes())
    began = time.monotonic()
    programs = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
                for _ in range(count)]
    said = [program.communicate() for program in programs]
    took = time.monotonic() - began
    system.check_alive()
    try:
        used = meter.elapsed()
    except FileNotFoundError as gone:
        raise BenchError(f"{system.name}: a process ended during a round ({gone.filename})") from gone
    for program, (_, complaint) in zip(programs, said):
        if program.returncode != 0:
            raise BenchError(f"{shlex.join(words)} ended with status {program.returncode}: {complaint.strip()}")
    text = said[0][0]
    if measures_handshakes(system.scenario):
        said = s_time_report([text for text, _ in said], system.scenario, took)
    elif system.scenario.streams:
        said = h2load_report(text, log, seconds)
    else:
        said = json.loads(text.strip().splitlines()[-1])
    requests = said["requests"]
    if system.scenario.is_bulk:
        requests = said["bytes"] / system.scenario.body_bytes
    return Round(
        requests=requests,
        seconds=said["microseconds"] / 1e6,
        user_us=used.user / 1e3 / requests if requests else math.nan,
        system_us=used.system / 1e3 / requests if requests else math.nan,
        p50_us=said["p50"],
        p99_us=said["p99"],
        errors=said["errors"],
        bytes_per_request=system.scenario.body_bytes,
    )
