"""What was measured on which machine, for the head of the page."""

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import core
from options import Options
from tool import output_of, package_version

LOOK_SECONDS = 1.0


def facts(options: Options) -> dict[str, str]:
    """Everything that someone needs to know to do it again, by name."""
    found = {
        "Command": f"`{options.command}`",
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Machine": f"{cpu_model()}, {os.cpu_count()} cores, {memory_gib()} GiB",
        "Kernel": f"{platform.system()} {platform.release()}",
        "System": system_name(),
        "Before the run": f"cores {busy_before(options)} busy",
    }
    for proxy in options.proxies:
        if not proxy.dressed:
            found[proxy.name] = proxy.version()
    found["wrk"] = " ".join(output_of(["wrk", "-v"]).split()[:2]).removeprefix("wrk ")
    found["h2load"] = output_of(["h2load", "--version"]).removeprefix("h2load ")
    found["h2load"] += package_version("nghttp2-client")
    found["OpenSSL"] = output_of(["openssl", "version"])
    return found


def cpu_model() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory_gib() -> int:
    """The machine's memory."""
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30))


def system_name() -> str:
    """The distribution's name."""
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"


def busy_before(options: Options) -> str:
    """How busy the two cores are while nothing is measured: it should be nothing."""
    before = core.sample()
    time.sleep(LOOK_SECONDS)
    after = core.sample()
    shares = [core.busy_share(before[n], after[n]) for n in (options.proxy_core, options.load_core)]
    return " and ".join(f"{share:.0%}" for share in shares)
