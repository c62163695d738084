"""Medians over rounds, ratios paired by round, and their tables."""

import statistics
from dataclasses import asdict, dataclass

import load

MIB = 1 << 20


@dataclass(frozen=True)
class Line:
    """One system in one scenario: medians over its valid rounds; None where no round was valid."""

    system: str
    rounds: int
    rounds_with_errors: int
    requests_per_second: float | None
    cpu_us: float | None
    user_us: float | None
    system_us: float | None
    gigabytes_per_cpu_second: float | None
    p50_us: float | None
    p99_us: float | None
    resident_bytes: int
    proportional_bytes: int
    ratio: float | None  # CPU per request of sluice ÷ of this system, median of the pairs of one round
    ratio_range: tuple | None  # the smallest and the largest pair


def summarise(scenario, results):
    ours = results.get("sluice", {}).get("rounds", [])
    lines = []
    for name, result in results.items():
        valid = [r for r in result["rounds"] if r.is_valid]
        pairs = [a.cpu_us / b.cpu_us for a, b in zip(ours, result["rounds"]) if a.is_valid and b.is_valid]
        if name == "sluice":
            pairs = []

        def median(field):
            values = [value for r in valid if (value := getattr(r, field)) is not None]
            return statistics.median(values) if values else None

        lines.append(Line(
            system=name, rounds=len(result["rounds"]), rounds_with_errors=len(result["rounds"]) - len(valid),
            requests_per_second=median("requests_per_second"), cpu_us=median("cpu_us"), user_us=median("user_us"),
            system_us=median("system_us"),
            gigabytes_per_cpu_second=median("gigabytes_per_cpu_second") if scenario.moves_data else None,
            p50_us=median("p50_us"), p99_us=median("p99_us"),
            resident_bytes=result["memory"].resident, proportional_bytes=result["memory"].proportional,
            ratio=statistics.median(pairs) if pairs else None,
            ratio_range=(min(pairs), max(pairs)) if pairs else None))
    return lines


def scenario_json(scenario, results, summary, cpus):
    return {
        "about": scenario.about, "body_bytes": scenario.body_bytes, "connections": scenario.connections,
        "load": load.command(scenario, "PORT", "SECONDS", cpus, scenario.hosts),
        "rounds": {name: [r.as_json() for r in result["rounds"]] for name, result in results.items()},
        "summary": [asdict(line) for line in summary],
    }


COLUMNS = ["system", "requests/s", "CPU µs/request", "user", "sys", "sluice ÷ it", "range", "GB/CPU s", "p50 µs",
           "p99 µs", "RSS MiB"]


def cells(line):
    return [
        line.system, number(line.requests_per_second), number(line.cpu_us), number(line.user_us),
        number(line.system_us), number(line.ratio, 2),
        "–".join(number(end, 2) for end in line.ratio_range) if line.ratio_range else "",
        number(line.gigabytes_per_cpu_second, 2), number(line.p50_us), number(line.p99_us),
        number(line.resident_bytes / MIB)]


IDLE_COLUMNS = ["system", "private KiB/connection", "with TLS KiB", "RSS before MiB", "RSS after MiB", "CPU ms idle", "serves after ms",
                "nodes alone ms"]


def idle_cells(line):
    return [line["system"], number(line["private_bytes_per_connection"] / 1024, 2),
            number(line["private_bytes_per_tls_connection"] / 1024, 2),
            number(line["resident_bytes_before"] / MIB), number(line["resident_bytes_after"] / MIB),
            number(line["idle_cpu_ms"], 1), number(line["first_answer_ms"], 1),
            number(line.get("nodes_first_answer_ms"), 1)]


def number(value, digits=None):
    if value is None:
        return ""
    if digits is None:
        digits = 1 if abs(value) < 100 else 0
    return f"{value:,.{digits}f}"


def problems(summary):
    return [f"{line.system}: {line.rounds_with_errors} of {line.rounds} rounds had errors and are left out"
            for line in summary if line.rounds_with_errors]


def describe(facts):
    about = facts["machine"]
    versions = "; ".join(about["versions"].values())
    return (f"{about['cpus']} CPUs {about['cpu']}, {about['memory_gib']} GiB, Linux {about['kernel']}, "
            f"{about['congestion_control']}; {versions}")


RULE = ("medians of {rounds} interleaved rounds of {seconds} s, each of systems started anew; ratio and range: CPU per "
        "request, paired by round")


class Text:
    """Aligned columns, a scenario at a time as it is done."""

    def heading(self, facts):
        print(describe(facts), facts["command"], RULE.format(**facts), sep="\n", flush=True)

    def scenario(self, scenario, summary):
        print(f"\n{scenario.name}: {scenario.about}; {scenario.connections} connections")
        self._table(COLUMNS, [cells(line) for line in summary])
        for problem in problems(summary):
            print(f"  {problem}", flush=True)

    def idle(self, connections, lines):
        print(f"\nidle: {connections:,} keep-alive connections after one request each")
        self._table(IDLE_COLUMNS, [idle_cells(line) for line in lines])

    def _table(self, columns, rows):
        widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]
        for row in [columns, *rows]:
            first, *rest = (cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
            print("  ".join(["", first, *rest]), flush=True)


class Markdown:
    """One table for all scenarios, as the README shows it."""

    def __init__(self):
        self._has_header = False

    def heading(self, facts):
        print(describe(facts), f"`{facts['command']}`", RULE.format(**facts) + ".\n", sep="\n\n", flush=True)

    def scenario(self, scenario, summary):
        if not self._has_header:
            self._header(["scenario", *COLUMNS])
            self._has_header = True
        for line in summary:
            self._row([scenario.name, *cells(line)])
        for problem in problems(summary):
            self._row([scenario.name, problem, *[""] * (len(COLUMNS) - 1)])

    def idle(self, connections, lines):
        print(f"\n{connections:,} idle keep-alive connections after one request each:\n")
        self._header(IDLE_COLUMNS)
        for line in lines:
            self._row(idle_cells(line))

    def _header(self, columns):
        self._row(columns)
        self._row(["---"] * len(columns))

    def _row(self, columns):
        print("|", " | ".join(columns), "|", flush=True)
