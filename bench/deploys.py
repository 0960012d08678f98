#!/usr/bin/env python3
"""What a deploy costs: `python3 bench/deploys.py [ROUNDS]`.

Requests come at a steady rate, and in each round the same run has three windows of the same length:
one in which nothing happens, one in which as many instances as a deploy has are started and ended
by hand while a command asks for the status, and one with a deploy. So what a deploy adds is told
apart from what any process adds that starts beside the generator. It also says what the deployer
itself takes: the time of a deploy less what its instances took to start.

Prints tables for docs/benchmarks.md; owns nothing but that. Needs h2load and a release build, two
cores, no root.
"""

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import origin
import port
import tool
from plimsoll import PROGRAM
from process import Process, wait_until

PROXY_CORE, LOAD_CORE = 0, 1
RATE = 2000
CLIENTS = 20
WINDOW_SECONDS = 10.0
REPLICAS = 2
STRATEGIES = ("rolling", "blue-green", "canary")
KINDS = ("nothing", "by hand", "deploy")


@dataclass(frozen=True)
class Window:
    """What happened in it and when, in microseconds since 1970; a deploy's receipt."""

    kind: str
    began: int
    ended: int
    receipt: dict | None


Request = tuple[int, int, int]
"""When it began, in microseconds since 1970, its status, and how long it took in microseconds."""


def main(arguments: list[str]) -> int:
    """Measures each strategy and prints what came of it."""
    rounds = int(arguments[0]) if arguments else 10
    tool.widen_path()
    os.sched_setaffinity(0, {LOAD_CORE})
    server = origin.build()
    print(
        "| strategy | rounds | failed | p99, nothing | by hand | deploy "
        "| deploy / nothing | deploy / by hand |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    receipts = {}
    for strategy in STRATEGIES:
        with tempfile.TemporaryDirectory(prefix="plimsoll-deploys-") as path:
            requests, windows = measure(Path(path), server, strategy, rounds)
        print(latency_row(strategy, requests, windows), flush=True)
        receipts[strategy] = [it.receipt for it in windows if it.receipt is not None]
    print("\n| strategy | whole deploy | until its instances were ready | the rest |")
    print("| --- | ---: | ---: | ---: |")
    for strategy, done in receipts.items():
        print(own_row(strategy, done))
    return 0


def measure(
    directory: Path, server: Path, strategy: str, rounds: int
) -> tuple[list[Request], list[Window]]:
    """Each request and each window of one run."""
    address = port.free_address()
    (directory / "plimsoll.toml").write_text(configuration(address, server), encoding="utf-8")
    proxy = Process(
        [str(PROGRAM), "run", "-c", str(directory / "plimsoll.toml")],
        PROXY_CORE,
        directory / "plimsoll.log",
    )
    try:
        if not wait_until(lambda: serves(directory), 10):
            raise RuntimeError((directory / "plimsoll.log").read_text(encoding="utf-8"))
        seconds = int(rounds * len(KINDS) * (WINDOW_SECONDS + 0.1)) + 3
        log = directory / "requests.log"
        load = subprocess.Popen(
            ["h2load", "--h1", f"--rps={RATE // CLIENTS}", f"-c{CLIENTS}", f"-D{seconds}",
             f"--log-file={log}", f"http://{address}/128"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(2)
        # None is always first or always after the same: what one leaves behind meets each of them.
        windows = [
            window(directory, server, strategy, KINDS[(number + place) % len(KINDS)], number)
            for number in range(rounds)
            for place in range(len(KINDS))
        ]
        load.wait()
        lines = log.read_text(encoding="ascii").splitlines()
        return [tuple(map(int, line.split()[:3])) for line in lines], windows
    finally:
        proxy.stop()


def window(directory: Path, server: Path, strategy: str, kind: str, number: int) -> Window:
    """Lets happen what is of this kind, and waits for the window's end."""
    began = time.time_ns() // 1000
    receipt = None
    if kind == "by hand":
        by_hand(directory, server)
    elif kind == "deploy":
        receipt = deploy(directory, strategy, f"v{number}")
    time.sleep(max(0.0, WINDOW_SECONDS - (time.time_ns() // 1000 - began) / 1e6))
    return Window(kind, began, time.time_ns() // 1000, receipt)


def by_hand(directory: Path, server: Path) -> None:
    """Starts as many processes as a deploy does, one after the other, and ends them."""
    asking = subprocess.Popen(
        [str(PROGRAM), "status", "--json"], cwd=directory, stdout=subprocess.DEVNULL
    )
    started = []
    for _ in range(REPLICAS):
        number = port.free_address().rpartition(":")[2]
        environment = {**os.environ, "PORT": number}
        started.append(subprocess.Popen([str(server)], env=environment, stdout=subprocess.DEVNULL))
        time.sleep(0.06)
    for process in started:
        process.terminate()
        process.wait()
    asking.wait()


def configuration(address: str, server: Path) -> str:
    """Plimsoll with one worker; its instances run on the other core, as the load does."""
    return f"""
[server]
state_dir = "state"
workers = 1
drain = "1s"
[log]
access = "off"
[listeners.web]
bind = "{address}"
[services.api]
command = ["taskset", "-c", "{LOAD_CORE}", "{server}"]
version = "v"
replicas = {REPLICAS}
deploy = {{ bake = "0s", steps = ["50% 200ms"] }}
[[routes]]
to = "api"
"""


def plimsoll(directory: Path, *words: str) -> str:
    """What a command prints."""
    command = [str(PROGRAM), *words, "--json"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True).stdout


def serves(directory: Path) -> bool:
    """Whether the first release does."""
    try:
        service = json.loads(plimsoll(directory, "status"))["services"][0]
    except (json.JSONDecodeError, IndexError):
        return False
    return service["run"]["release"] == "v" and service["run"].get("deploy") is None


def deploy(directory: Path, strategy: str, version: str) -> dict:
    """Deploys, and waits for the end; the receipt."""
    words = ["--steps", "50% 200ms"] if strategy == "canary" else []
    said = plimsoll(directory, "deploy", "api", version, "--strategy", strategy, *words)
    receipt = json.loads(said.splitlines()[-1])
    assert receipt["outcome"] == "promoted", receipt
    return receipt


def latency_row(strategy: str, requests: list[Request], windows: list[Window]) -> str:
    """The median over the rounds of each kind's p99, and of the ratio within a round."""
    p99 = {kind: [] for kind in KINDS}
    for it in windows:
        took = sorted(took for start, _, took in requests if it.began <= start < it.ended)
        p99[it.kind].append(took[int(0.99 * (len(took) - 1))])
    failed = sum(1 for _, status, _ in requests if status != 200)
    middle = " | ".join(f"{statistics.median(p99[kind]):.0f} µs" for kind in KINDS)
    rounds = len(p99["deploy"])
    ratios = " | ".join(spread(p99["deploy"], p99[kind]) for kind in ("nothing", "by hand"))
    return f"| {strategy} | {rounds} | {failed} of {len(requests)} | {middle} | {ratios} |"


def spread(ours: list[float], theirs: list[float]) -> str:
    """The median ratio within a round, and between which of the ratios the true one lies."""
    ratios = sorted(one / other for one, other in zip(ours, theirs, strict=True))
    low = certain(len(ratios))
    return f"{statistics.median(ratios):.2f} ({ratios[low]:.2f} to {ratios[-1 - low]:.2f})"


def certain(count: int) -> int:
    """How many values may be left out at either end of `count`, so that what is left has the true
    median in it with 95 % certainty (the sign test's interval)."""
    out, tail = 0, 0.5**count
    while tail <= 0.025:
        out += 1
        tail += math.comb(count, out) * 0.5**count
    return max(out - 1, 0)


def own_row(strategy: str, receipts: list[dict]) -> str:
    """What a deploy took, and how much of it was waiting for instances that start."""
    whole = statistics.median(it["took_s"] for it in receipts)
    starts = statistics.median(starting(it, strategy) for it in receipts)
    rest = statistics.median(it["took_s"] - starting(it, strategy) for it in receipts)
    return f"| {strategy} | {whole * 1000:.0f} ms | {starts * 1000:.0f} ms | {rest * 1000:.0f} ms |"


def starting(receipt: dict, strategy: str) -> float:
    """Seconds in which it waited for instances: with `rolling` one after the other."""
    begun = {line["instance"]: line["at_s"] for line in receipt["lines"] if line["event"] == "starting"}
    took = [
        line["at_s"] - begun[line["instance"]]
        for line in receipt["lines"]
        if line["event"] == "ready"
    ]
    return sum(took) if strategy == "rolling" else max(took)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
