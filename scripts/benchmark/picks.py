"""What one choice of an endpoint costs: the instructions of balancing-bench under callgrind."""

import re
import subprocess

import systems
from system import BenchError

POLICIES = ("round-robin", "least-request", "peak-ewma", "random", "hash")
SIZES = (10, 10_000)
BESIDE, BUILT = (directory / "balancing-bench" for directory in
                 (systems.EXECUTABLES, systems.REPOSITORY / ".build" / "release"))
EXECUTABLE = BESIDE if BESIDE.exists() else BUILT
FEW, MANY = 1_000, 11_000
CASES = [f"pick-{policy}-{size}" for size in SIZES for policy in POLICIES]


def instructions(policy, size, picks, directory):
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={directory / 'picks.out'}",
               EXECUTABLE, policy, str(size), str(picks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not counted:
        raise BenchError(f"balancing-bench ended with status {done.returncode}: {done.stderr.strip()}")
    return int(counted[1])


def measure(case, directory):
    """Per pick: the difference between a run with many picks and one with few, so that start and end cancel out."""
    policy, _, size = case.removeprefix("pick-").rpartition("-")
    few, many = (instructions(policy, size, picks, directory) for picks in (FEW, MANY))
    return {"instructions": (many - few) / (MANY - FEW)}
