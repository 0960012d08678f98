"""A machine with Debian 12 and its systemd, in a container of systemd-nspawn, thrown away in the end.

It has no network but its own loopback. The base is not changed: what is written lies above it.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import groups
from debian import base
from wait import until

# Everything is in namespaces of the container's own: mounts that are left behind go with its last process. What
# its systemd calls the root of the control groups is a group of ours.
BOOT = """
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    [ -e $hierarchy/cgroup.procs ] || continue
    mkdir -p $hierarchy/$GROUP && echo $$ > $hierarchy/$GROUP/cgroup.procs
done
mount -t overlay overlay -o lowerdir=base,upperdir=upper,workdir=work root
[ -d /run/systemd/system ] || unit=--keep-unit
exec systemd-nspawn --quiet --register=no $unit --directory=root --private-network --console=pipe --boot
"""
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
# Asks systemd as PID 1 to power off: SIGRTMIN+4.
POWER_OFF = signal.SIGRTMIN + 4


class Machine:
    """A machine that has been started."""

    def __init__(self):
        self.place = Path(tempfile.mkdtemp(prefix="plimsoll-machine-"))
        self.group = self.place.name
        self.container = None
        try:
            self._start()
        except BaseException:
            self.end()
            raise

    def _start(self):
        for name in ["upper", "work", "root"]:
            (self.place / name).mkdir(mode=0o755)
        # Its path may have characters that mean something in a mount's options.
        (self.place / "base").symlink_to(base())
        # Should the tests be killed, it goes with them.
        words = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "sh", "-ec", BOOT]
        environment = os.environ | {"GROUP": self.group}
        with open(self.place / "console", "wb") as log:
            self.container = subprocess.Popen(
                words, cwd=self.place, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.leader = until("the machine's PID 1", self._leader)
        state = ["systemctl", "is-system-running"]
        until("the machine runs", lambda: self.run(*state, check=False).stdout.strip() in ("running", "degraded"))

    def _leader(self):
        if self.container.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended: {(self.place / 'console').read_text()}")
        pids = Path(f"/proc/{self.container.pid}/task/{self.container.pid}/children").read_text().split()
        return next((pid for pid in pids if Path(f"/proc/{pid}/comm").read_text() == "systemd\n"), None)

    def run(self, *words, check=True, background=False):
        """Runs a command as root in it."""
        command = ["nsenter", "--target", self.leader, "--all", "--wdns=/", "--", *map(str, words)]
        options = {"env": ENVIRONMENT, "text": True, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
        if background:
            return subprocess.Popen(command, stderr=subprocess.STDOUT, **options)
        ended = subprocess.run(command, stderr=subprocess.STDOUT, **options)
        if check and ended.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, words))}: {ended.returncode}\n{ended.stdout}")
        return ended

    def shell(self, script, **options):
        """The same, for a line of shell."""
        return self.run("sh", "-ec", script, **options)

    def path(self, path):
        """A file of it, as this process sees it."""
        return Path(f"/proc/{self.leader}/root{path}")

    def get(self, url, check=True):
        """The body at a URL in it."""
        return self.run("busybox", "wget", "-q", "-O", "-", url, check=check).stdout

    def end(self):
        """Switches it off, and leaves nothing of it."""
        if self.container and self.container.poll() is None:
            try:
                os.kill(int(self.leader), POWER_OFF)
                self.container.wait(30)
            except (AttributeError, OSError, subprocess.TimeoutExpired):
                os.killpg(self.container.pid, signal.SIGKILL)
                self.container.wait()
        groups.remove(self.group)
        shutil.rmtree(self.place)
