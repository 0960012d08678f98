"""The programs that the harness needs, and what can be asked of those that end at once."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from origin import BUILD
from proxy import Proxy

PACKAGES = {
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "openssl": "openssl",
    "taskset": "util-linux",
    "setpriv": "util-linux",
    "nginx": "nginx",
    "haproxy": "haproxy",
}
"""Each program, and the Debian package that has it."""

ALWAYS = ("wrk", "h2load", "openssl", "taskset", "setpriv")


def widen_path() -> None:
    """Debian keeps servers where a plain user's PATH may not look."""
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])


def missing(proxies: Iterable[Proxy]) -> list[str]:
    """What is not there and how to get it; empty when all is there."""
    programs = dict.fromkeys(proxy.program for proxy in proxies)
    # What is built with the origins will be there.
    wanted = [*ALWAYS, *(one for one in programs if not Path(one).is_relative_to(BUILD))]
    absent = [program for program in wanted if shutil.which(program) is None]
    packages = dict.fromkeys(PACKAGES[program] for program in absent if program in PACKAGES)
    cures = [f"not found: {program}" for program in absent]
    if packages:
        cures.append(f"install with: apt-get install {' '.join(packages)}")
    if any(program not in PACKAGES for program in absent):
        cures.append("build Plimsoll with: cargo build --profile dist, or leave it out with --only")
    if shutil.which("cargo") is None:
        cures.append("not found: cargo, which builds the origin; see https://rustup.rs")
    return cures


def memory_directory() -> str | None:
    """A file system in memory, so that no disk is measured; the usual place where there is none."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def output_of(arguments: list[str]) -> str:
    """The first line that a short-lived program prints, on either stream."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if lines else ""


def package_version(package: str) -> str:
    """The version of a Debian package in brackets, or nothing where it was not installed as one."""
    if shutil.which("dpkg-query") is None:
        return ""
    query = ["dpkg-query", "-W", "-f", "${Version}", package]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return f" (Debian {done.stdout})" if done.returncode == 0 and done.stdout else ""


def revision() -> str:
    """The git revision of the sources in brackets, with a mark when they are changed."""
    git = ["git", "-C", str(Path(__file__).resolve().parent), "describe", "--always", "--dirty"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return f" ({done.stdout.strip()})" if done.returncode == 0 else ""
