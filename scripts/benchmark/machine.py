"""The machine that the figures hold for, and which of its CPUs do what."""

import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from system import REPOSITORY, BenchError
from systems import EXECUTABLES


@dataclass(frozen=True)
class Placement:
    """CPU lists as taskset takes them; None: anywhere."""

    system: str | None
    load: str | None


def placement(pin):
    if not pin:
        return Placement(None, None)
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise BenchError("--pin needs two CPUs, this machine gives us one")
    return Placement(str(allowed[0]), ",".join(map(str, allowed[1:])))


def facts(names):
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", info, re.MULTILINE)
    versions = {"wrk": _first_line("wrk", "-v"), "nginx": _first_line("nginx", "-v"),
                "haproxy": _first_line("haproxy", "-v"), "h2o": _first_line("h2o", "--version")}
    if shutil.which("envoy"):
        # PATH  version: COMMIT/NUMBER/…
        versions["envoy"] = "Envoy " + _first_line("envoy", "--version").rpartition("version: ")[2].split("/")[1]
    if "sluice" in names:
        versions["sluice"] = f"commit {_first_line('git', '-C', REPOSITORY, 'describe', '--always', '--dirty')}"
        if not (EXECUTABLES / "sluice").exists():
            raise BenchError(f"{EXECUTABLES}/sluice is not there: run scripts/build, or choose others with --system")
    return {
        "cpu": model.group(1).strip() if model else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)),
        "kernel": platform.release(),
        "congestion_control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "versions": versions,
    }


def _first_line(*command):
    said = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    lines = (said.stdout + said.stderr).strip().splitlines()
    return lines[0].split(" - http")[0].split(" Copyright")[0] if lines else "unknown"
