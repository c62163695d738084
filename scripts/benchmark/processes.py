"""What the kernel says of processes: CPU time and memory, read from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class CPUTime:
    """Nanoseconds of CPU. `user` + `system` is `total`."""

    user: float
    system: float

    @property
    def total(self):
        return self.user + self.system


@dataclass(frozen=True)
class _Reading:
    user_ns: int
    system_ns: int
    run_ns: dict  # by thread


class CPUMeter:
    """CPU time that a group of processes, all threads included, uses from construction to `elapsed()`.

    The total is the scheduler's own clock (`/proc/PID/task/TID/schedstat`, nanoseconds). Only the split into user
    and system comes from the 10 ms ticks of `/proc/PID/stat`, scaled to that total. A kernel without schedstat
    leaves the ticks alone, then a round should be 2 s or longer. The clock of a thread that ends is gone with it; for a
    process that had such threads the ticks stand in when they say more.
    """

    def __init__(self, pids):
        self._before = {pid: _read(pid) for pid in pids}

    def elapsed(self):
        user = system = run = 0
        for pid, before in self._before.items():
            after = _read(pid)
            user += after.user_ns - before.user_ns
            system += after.system_ns - before.system_ns
            own = sum(clock - before.run_ns.get(task, 0) for task, clock in after.run_ns.items())
            if before.run_ns.keys() - after.run_ns.keys():
                own = max(own, after.user_ns - before.user_ns + after.system_ns - before.system_ns)
            run += own
        ticks = user + system
        if run == 0:
            return CPUTime(user, system)
        if ticks == 0:
            return CPUTime(0, run)
        return CPUTime(run * user / ticks, run * system / ticks)


def _read(pid):
    # The command name may hold spaces and parentheses; what follows the last ")" is fixed (proc(5)).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    run = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            run[task.name] = int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue  # the thread ended, or this kernel keeps no schedstat
    return _Reading(int(fields[11]) * TICK_NS, int(fields[12]) * TICK_NS, run)


def family(roots, marker):
    """The processes `roots`, their descendants, and whatever names a file below the directory `marker` on its command
    line, sorted by id.
    """
    parents, found = {}, set(roots)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            arguments = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        pid, state, parent = int(entry.name), fields[0], int(fields[1])
        if state == "Z" or pid == os.getpid():
            continue
        parents[pid] = parent
        if f"{marker}/".encode() in arguments:
            found.add(pid)
    grew = True
    while grew:
        children = {pid for pid, parent in parents.items() if parent in found} - found
        found |= children
        grew = bool(children)
    return sorted(pid for pid in found if pid in parents)


@dataclass(frozen=True)
class Memory:
    """Bytes. `resident` counts a shared page once per process, `proportional` divides it, `private` leaves it out."""

    resident: int
    proportional: int
    private: int


def memory(pids):
    sums = {"Rss": 0, "Pss": 0, "Private_Clean": 0, "Private_Dirty": 0}
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
            key, _, rest = line.partition(":")
            if key in sums:
                sums[key] += int(rest.split()[0]) * 1024
    return Memory(sums["Rss"], sums["Pss"], sums["Private_Clean"] + sums["Private_Dirty"])
