"""What one request costs a worker, in counts that are the same on every machine: instructions, system calls,
allocations and reference counting, against the bounds in scripts/benchmark/thresholds.json.

The node runs under callgrind; one client sends requests one after the other, with HTTP/2 some at once. Each count is the difference between a run
with many requests and one with few, divided by the requests between them, so that start and end cancel out.
"""

import argparse
import json
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import http2
import picks
import scenarios
import systems
from system import BenchError, connect

THRESHOLDS = Path(__file__).with_name("thresholds.json")
FEW, MANY = 208, 1200
# Of one HTTP/2 connection at once: both counts above are a multiple.
STREAMS = 16
ALLOCATING = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "mmap"}
COUNTING = {"swift_retain", "swift_release", "swift_retain_n", "swift_release_n", "swift_bridgeObjectRetain",
            "swift_bridgeObjectRelease", "swift_beginAccess"}

CLOCKS = {"clock_gettime"}


@dataclass(frozen=True)
class Case:
    """A scenario and what its client sends: `requests` asked again and again, one at a time."""

    scenario: scenarios.Scenario
    role: str = "proxy"  # the node that is measured

    @property
    def name(self):
        return self.scenario.name


CASES = [
    Case(scenarios.BY_NAME["http-128"]),
    Case(scenarios.BY_NAME["http-1k"]),
    Case(scenarios.BY_NAME["http-128-routes-10k"]),
    Case(scenarios.BY_NAME["http-64k"]),
    Case(scenarios.BY_NAME["http2-128"]),
    Case(scenarios.BY_NAME["https-128"]),
    Case(scenarios.BY_NAME["https2-128"]),
    Case(scenarios.BY_NAME["tcp-128"], role="forwarder"),
]


class Measured(systems.Sluice):
    """A proxy node and a forwarder from the snapshots of a run before, one of them under callgrind."""

    def launch_measured(self, role, output):
        state = self.directory / "state"
        self._programs.clear()
        executable = self.directory / "sluice-node"
        # Callgrind gives up on what link-time optimisation leaves of the debugging information; names stay.
        subprocess.run(["strip", "--strip-debug", "-o", executable, systems.EXECUTABLES / "sluice-node"], check=True)
        for node, identity in (("forwarder", "forwarder"), ("proxy", "proxy-1")):
            command = [executable, node, "--id", identity, "--state", state,
                       "--link", state / "run" / "link.sock"]
            if node == role:
                command = ["valgrind", "--tool=callgrind", "--separate-threads=yes", "--collect-systime=usec",
                           f"--callgrind-out-file={output}", *command]
            self._spawn(*command)


def ask(port, case, requests):
    """Sends so many requests on one connection, each after the answer to the one before; by HTTP/2 `STREAMS` at once."""
    path = case.scenario.path
    request = f"GET {path} HTTP/1.1\r\nHost: {host(case)}\r\nUser-Agent: costs\r\nAccept: */*\r\n\r\n".encode()
    with connect(port, case.scenario) as client:
        if case.scenario.streams:
            http2.Client(client, case.scenario.kind, host(case), path).ask(requests, min(requests, STREAMS))
            return
        for _ in range(requests):
            client.sendall(request)
            answer = client.recv(65536)
            head, _, body = answer.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise BenchError(f"the answer was {head[:80]!r}")
            missing = int(re.search(rb"(?i)content-length: *(\d+)", head)[1]) - len(body)
            while missing > 0:
                missing -= len(client.recv(min(missing, 1 << 20)))


def run(case, endpoint, directory, requests):
    """Counts of each thread of the measured node: name → number."""
    directory.mkdir()
    system = Measured(case.scenario, endpoint.port, directory / "system")
    system.start()
    system.stop()
    try:
        output = directory / "callgrind.out"
        system.launch_measured(case.role, output)
        wait_until_served(system, case)
        ask(system.port, case, requests)
        for program in system._programs:
            program.send_signal(signal.SIGTERM)
        for program in system._programs:
            program.wait(30)
    finally:
        system.stop()
    files = sorted(directory.glob("callgrind.out-*"))
    if not files:
        raise BenchError(f"callgrind wrote nothing; the node said: {system._log()}")
    return [read(file) for file in files]


def host(case):
    return "h0.example" if case.scenario.hosts else "localhost"


def wait_until_served(system, case):
    """The forwarder accepts before the node under callgrind has started: the first request waits, or is refused."""
    for attempt in range(600):
        try:
            ask(system.port, case, 1)
            return
        except (OSError, BenchError, TypeError):
            system.check_alive()
            select.select([], [], [], 0.05)
    raise BenchError(f"{case.name}: nothing was served in 30 s; the node said: {system._log()}")


def read(file):
    """Totals of one thread from callgrind's file (its format: "Callgrind Format Specification" of Valgrind)."""
    names, counts = {}, dict.fromkeys(("instructions", "system_calls", "allocations", "reference_counting"), 0)
    columns, function, called, is_call_cost = [], "", "", False
    for line in file.read_text(errors="replace").splitlines():
        if line.startswith("events:"):
            columns = line.split()[1:]
        elif line.startswith("fn="):
            function = name(line[3:], names)
        elif line.startswith("cfn="):
            called = name(line[4:], names)
        elif line.startswith("calls="):
            is_call_cost = True
            times = int(line[6:].split()[0])
            if called in ALLOCATING:
                counts["allocations"] += times
            elif called in COUNTING:
                counts["reference_counting"] += times
        elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
            if is_call_cost:  # of the function called, which has lines of its own
                is_call_cost = False
                continue
            own = dict(zip(columns, map(int, line.split()[1:])))
            counts["instructions"] += own.get("Ir", 0)
            # The kernel's clock is a system call under callgrind only.
            if function not in CLOCKS:
                counts["system_calls"] += own.get("sysCount", 0)
    return counts


def name(text, names):
    """The function that `(id) name`, later only `(id)`, stands for; a version such as `@@GLIBC` is left out."""
    number, _, rest = text.partition(" ")
    if rest:
        names[number] = re.split(r"[@']", rest)[0]
    return names.get(number, "")


def measure(case, endpoint, directory):
    few = run(case, endpoint, directory / f"{case.name}-few", FEW)
    many = run(case, endpoint, directory / f"{case.name}-many", MANY)
    if len(few) != len(many):
        raise BenchError(f"{case.name}: {len(few)} threads in one run, {len(many)} in the other")
    # The worker is the thread that does more with more requests.
    worker = max(range(len(few)), key=lambda n: many[n]["instructions"] - few[n]["instructions"])
    return {key: (many[worker][key] - few[worker][key]) / (MANY - FEW) for key in few[worker]}


def main():
    parser = argparse.ArgumentParser(prog="scripts/costs", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES] + picks.CASES, metavar="NAME",
                        help="only this one; may be given again (default: all)")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="leave callgrind's files there")
    chosen = parser.parse_args()
    thresholds = json.loads(THRESHOLDS.read_text())
    exceeded = False
    with tempfile.TemporaryDirectory(prefix="sluice-costs-") as temporary:
        directory = chosen.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        endpoint = systems.Endpoint(sorted({s.body_bytes for s in scenarios.ALL}), directory / "endpoint", None)
        endpoint.start()
        try:
            measured = {case.name: lambda case=case: measure(case, endpoint, directory) for case in CASES}
            measured |= {name: lambda name=name: picks.measure(name, directory) for name in picks.CASES}
            for name, counts in measured.items():
                if chosen.case and name not in chosen.case:
                    continue
                for key, value in counts().items():
                    bound = thresholds[name][key]
                    over = value > bound
                    exceeded |= over
                    print(f"{name:24} {key:20} {value:10.2f}  at most {bound:10.2f}{'  EXCEEDED' if over else ''}",
                          flush=True)
        finally:
            endpoint.stop()
    return 1 if exceeded else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"costs: {error}", file=sys.stderr)
        sys.exit(1)
