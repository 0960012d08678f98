#!/usr/bin/env python3
"""What a deploy costs: `python3 bench/deploys.py [DEPLOYS]`.

Requests come at a steady rate while a service of two instances is deployed again and again. Each
request's time is known, so those that overlap a deploy are compared with the others of the same
run. It also says what the deployer itself takes: the time of a deploy less what the instances took
to start. Prints tables for docs/benchmarks.md; owns nothing but that. Needs h2load and a release
build, two cores, no root.
"""

import json
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
PAUSE_SECONDS = 1.5
STRATEGIES = ("rolling", "blue-green", "canary")


@dataclass(frozen=True)
class Deploy:
    """One deploy: when it ran, in microseconds since 1970, and its receipt."""

    began: int
    ended: int
    receipt: dict


def main(arguments: list[str]) -> int:
    """Measures each strategy and prints what came of it."""
    deploys = int(arguments[0]) if arguments else 15
    tool.widen_path()
    os.sched_setaffinity(0, {LOAD_CORE})
    server = origin.build()
    print("| strategy | deploys | requests | failed | p99 outside | p99 within | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    own = {}
    for strategy in STRATEGIES:
        with tempfile.TemporaryDirectory(prefix="plimsoll-deploys-") as path:
            times, done = measure(Path(path), server, strategy, deploys)
        print(latency_row(strategy, times, done))
        own[strategy] = done
    print("\n| strategy | whole deploy | until its instances were ready | the rest |")
    print("| --- | ---: | ---: | ---: |")
    for strategy, done in own.items():
        print(own_row(strategy, done))
    return 0


def measure(
    directory: Path, server: Path, strategy: str, deploys: int
) -> tuple[list[tuple[int, int, int]], list[Deploy]]:
    """Each request's start, status and time, and each deploy."""
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
        seconds = int(deploys * (PAUSE_SECONDS + 1)) + 5
        log = directory / "requests.log"
        load = subprocess.Popen(
            ["h2load", "--h1", f"--rps={RATE // CLIENTS}", f"-c{CLIENTS}", f"-D{seconds}",
             f"--log-file={log}", f"http://{address}/128"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(2)
        done = []
        for number in range(deploys):
            time.sleep(PAUSE_SECONDS)
            done.append(deploy(directory, strategy, f"v{number}"))
        load.wait()
        lines = log.read_text(encoding="ascii").splitlines()
        return [tuple(map(int, line.split()[:3])) for line in lines], done
    finally:
        proxy.stop()


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
replicas = 2
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


def deploy(directory: Path, strategy: str, version: str) -> Deploy:
    """Deploys, and waits for the end."""
    began = time.time_ns() // 1000
    words = ["--steps", "50% 200ms"] if strategy == "canary" else []
    said = plimsoll(directory, "deploy", "api", version, "--strategy", strategy, *words)
    receipt = json.loads(said.splitlines()[-1])
    assert receipt["outcome"] == "promoted", receipt
    return Deploy(began, time.time_ns() // 1000, receipt)


def latency_row(strategy: str, times: list[tuple[int, int, int]], done: list[Deploy]) -> str:
    """The requests within a deploy, and the others."""
    within, outside = [], []
    for start, _, took in times:
        is_within = any(start < it.ended and start + took > it.began for it in done)
        (within if is_within else outside).append(took)
    failed = sum(1 for _, status, _ in times if status != 200)
    p99 = [percentile(group, 0.99) for group in (outside, within)]
    ratio = p99[1] / p99[0]
    return (
        f"| {strategy} | {len(done)} | {len(times)} | {failed} "
        f"| {p99[0]} µs | {p99[1]} µs | {ratio:.2f} |"
    )


def percentile(group: list[int], share: float) -> int:
    """The value that so large a share of the group does not exceed."""
    return sorted(group)[int(share * (len(group) - 1))]


def own_row(strategy: str, done: list[Deploy]) -> str:
    """What a deploy took, and how much of it was waiting for instances that start."""
    whole = statistics.median(it.receipt["took_s"] for it in done)
    starts = statistics.median(starting(it.receipt, strategy) for it in done)
    rest = statistics.median(it.receipt["took_s"] - starting(it.receipt, strategy) for it in done)
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
