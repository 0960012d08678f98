"""The Debian package on a Debian 12 with its systemd, from its installation to its purge, and the archive after it.

The tests are steps of one story, in the order of their numbers, on one machine.
"""

import gzip
import hashlib
import tempfile
import unittest

from built import ROOT, TARGET, only, release
from machine import Machine
from needs import need
from wait import until

CONFIGURATION = "/etc/plimsoll/plimsoll.toml"
STATE = "/var/lib/plimsoll"
LOGS = "/var/log/plimsoll"
FIRST, SECOND = "0.0.1", "0.0.2-rc.1"
# What is served from the third step on: a port that only root may have, and a server that Plimsoll runs.
# It names no state directory.
SERVING = """
[log]
access = "/var/log/plimsoll/access.log"

[listeners.web]
bind = "0.0.0.0:80"

[services.app]
command = "busybox httpd -f -p 127.0.0.1:$PORT -h /srv/app"
version = "1"
health = { path = "/" }

[[routes]]
to = "app"
"""
SLOW = "#!/bin/sh\nsleep 4\nprintf 'Content-Type: text/plain\\r\\n\\r\\nslow but whole\\n'\n"
# Much less than the slow response takes: systemd waits for as long as Plimsoll says.
IMPATIENT = "[Service]\nTimeoutStopSec=1\n"


class Package(unittest.TestCase):
    """One machine for all."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        need("mmdebstrap", "systemd-nspawn", "unshare", "nsenter", "dh")
        cls.made = tempfile.TemporaryDirectory(prefix="plimsoll package ")
        cls.addClassCleanup(cls.made.cleanup)
        for version, parts in [(FIRST, ["archive", "deb"]), (SECOND, ["deb"])]:
            release(cls.made.name, "--version", version, "--fast", *parts, TMPDIR=cls.made.name)
        cls.machine = Machine()
        cls.addClassCleanup(cls.machine.end)
        for version, name in [(FIRST, "first.deb"), (SECOND, "second.deb")]:
            package = only(cls.made.name, f"plimsoll_{version.replace('-', '~')}_*.deb")
            cls.machine.path(f"/root/{name}").write_bytes(package.read_bytes())
        archive = only(cls.made.name, "plimsoll-*.tar.gz")
        cls.machine.path(f"/root/{archive.name}").write_bytes(archive.read_bytes())

    # What is asked again and again.

    def run_in(self, *words, **options):
        return self.machine.run(*words, **options).stdout

    def apt(self, *words):
        return self.run_in("apt-get", "-y", "-q", *words)

    def unit(self, what):
        return self.run_in("systemctl", "show", "--value", f"--property={what}", "plimsoll").strip()

    def owner_and_mode(self, path):
        return self.run_in("stat", "-c", "%U:%G %a", path).strip()

    def is_there(self, path):
        return self.machine.run("test", "-e", path, check=False).returncode == 0

    def journal(self):
        return self.run_in("journalctl", "--quiet", "--no-pager", "--output=cat", "--unit=plimsoll")

    def write(self, path, text, mode=0o644):
        file = self.machine.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def digest(self, path):
        return hashlib.sha256(self.machine.path(path).read_bytes()).hexdigest()

    def processes(self, pattern):
        """The processes whose command line is so."""
        ended = self.machine.run("pgrep", "-f", pattern, check=False)
        self.assertIn(ended.returncode, (0, 1), ended.stdout)
        return ended.stdout.split()

    def instances(self):
        """The processes of the only service."""
        return self.processes("^busybox httpd .*-h /srv/app$")

    def slow_request(self):
        """A request that is with the instance, and lasts."""
        words = ["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1/cgi-bin/slow"]
        slow = self.machine.run(*words, background=True)
        until("the slow request is with the instance", lambda: self.processes("^sleep 4$"))
        return slow

    # The story.

    def test_01_it_is_installed_and_serves_as_its_own_user(self):
        self.apt("install", "/root/first.deb")
        self.assertEqual((self.unit("ActiveState"), self.unit("UnitFileState")), ("active", "enabled"))
        self.assertIn("Plimsoll runs", self.machine.get("http://127.0.0.1:8080/"))
        self.assertEqual(self.owner_and_mode(STATE), "plimsoll:plimsoll 700")
        self.assertEqual(self.owner_and_mode(LOGS), "plimsoll:plimsoll 750")
        self.assertEqual(self.owner_and_mode(CONFIGURATION), "root:root 644")
        account = self.run_in("getent", "passwd", "plimsoll").strip().split(":")
        self.assertEqual(account[5:], [STATE, "/usr/sbin/nologin"])
        self.assertTrue(self.run_in("getent", "shadow", "plimsoll").split(":")[1].startswith("!"))
        status = self.machine.path(f"/proc/{self.unit('MainPID')}/status").read_text()
        facts = dict(line.split(":\t", 1) for line in status.splitlines())
        self.assertEqual(facts["Uid"].split()[0], account[2])
        self.assertEqual(int(facts["CapEff"], 16), 1 << 10, "CAP_NET_BIND_SERVICE, and nothing else")
        self.assertEqual((facts["NoNewPrivs"], facts["Seccomp"]), ("1", "2"))
        self.assertNotRegex(self.journal(), "WARN|ERROR|error")

    def test_02_all_of_it_is_in_its_place(self):
        self.assertEqual(self.run_in("dpkg", "--verify", "plimsoll"), "")
        self.run_in("bash", "-n", "/usr/share/bash-completion/completions/plimsoll")
        files = self.run_in("dpkg", "-L", "plimsoll").splitlines()
        for file in [
            "/usr/share/zsh/vendor-completions/_plimsoll",
            "/usr/share/fish/vendor_completions.d/plimsoll.fish",
            "/usr/share/plimsoll/schema.json",
            "/usr/share/doc/plimsoll/THIRD-PARTY.md",
            "/usr/share/doc/plimsoll/reference/configuration.md",
        ]:
            self.assertIn(file, files)
        page = gzip.decompress(self.machine.path("/usr/share/man/man1/plimsoll.1.gz").read_bytes())
        self.assertIn(b".TH plimsoll 1", page)
        # What the configuration says of the package is so.
        for path in ["/usr/share/plimsoll/schema.json", "/usr/share/doc/plimsoll/reference/configuration.md"]:
            self.assertIn(path, self.machine.path(CONFIGURATION).read_text())
        self.run_in("plimsoll", "check")
        self.assertIn("127.0.0.1:8080", self.run_in("plimsoll", "status"))

    def test_03_systemd_finds_its_unit_right_and_its_exposure_small(self):
        unit = "/lib/systemd/system/plimsoll.service"
        self.assertEqual(self.run_in("systemd-analyze", "verify", "--man=no", unit), "")
        self.run_in("systemd-analyze", "security", "--offline=true", "--threshold=30", unit)

    def test_04_a_second_installation_changes_nothing(self):
        before = self.digest(CONFIGURATION)
        self.apt("install", "--reinstall", "/root/first.deb")
        self.assertEqual(self.unit("ActiveState"), "active")
        self.assertEqual(self.digest(CONFIGURATION), before)
        self.assertIn("Plimsoll runs", self.machine.get("http://127.0.0.1:8080/"))

    def test_04b_what_init_writes_there_is_what_the_unit_serves(self):
        self.write("/srv/first/index.html", "by init\n")
        command = "busybox httpd -f -p 127.0.0.1:$PORT -h /srv/first"
        self.run_in(
            "plimsoll", "init", "/etc/plimsoll", "--force", "--command", command, "--health", "/", "--listen", "0.0.0.0:80"
        )
        self.run_in("plimsoll", "check", "--here")
        self.run_in("systemctl", "restart", "plimsoll")
        until("the instance serves port 80", lambda: self.machine.get("http://127.0.0.1/", check=False) == "by init\n")
        self.assertIn("web-1", self.run_in("plimsoll", "status"))

    def test_05_a_reload_applies_the_file_or_says_what_is_wrong_with_it(self):
        self.write("/srv/app/index.html", "from the instance\n")
        self.write("/srv/app/cgi-bin/slow", SLOW, mode=0o755)
        self.write(CONFIGURATION, SERVING)
        self.run_in("systemctl", "reload", "plimsoll")
        until("the instance serves port 80", lambda: self.machine.get("http://127.0.0.1/", check=False) == "from the instance\n")
        self.assertIn("app-1", self.run_in("plimsoll", "status"))
        self.write(CONFIGURATION, SERVING.replace("[[routes]]", "[[rotes]]"))
        self.assertNotEqual(self.machine.run("systemctl", "reload", "plimsoll", check=False).returncode, 0)
        self.assertIn("did you mean `routes`", self.journal())
        self.assertEqual(self.machine.get("http://127.0.0.1/"), "from the instance\n")
        self.write(CONFIGURATION, SERVING)

    def test_06_the_log_is_rotated(self):
        self.run_in("logrotate", "--force", "/etc/logrotate.d/plimsoll")
        self.assertTrue(self.is_there(f"{LOGS}/access.log.1"))
        self.machine.get("http://127.0.0.1/?after")
        log = self.machine.path(f"{LOGS}/access.log")
        until("the new log has a line", lambda: log.exists() and "127.0.0.1" in log.read_text())
        self.assertEqual(self.owner_and_mode(f"{LOGS}/access.log"), "plimsoll:plimsoll 640")

    def test_07_after_a_crash_it_is_started_again_and_its_instance_lives_on(self):
        instances, main = self.instances(), self.unit("MainPID")
        self.assertEqual(len(instances), 1)
        self.machine.shell(f"kill -KILL {main}")
        until("another process serves", lambda: self.unit("MainPID") not in ("0", main))
        until("the unit is active", lambda: self.unit("ActiveState") == "active")
        until("it is served again", lambda: self.machine.get("http://127.0.0.1/", check=False))
        self.assertEqual(self.instances(), instances)

    def test_08_an_upgrade_cuts_off_no_request_and_keeps_the_configuration(self):
        self.write("/etc/systemd/system/plimsoll.service.d/impatient.conf", IMPATIENT)
        self.run_in("systemctl", "daemon-reload")
        # What only the unit's environment has is there when the new program is asked.
        self.write("/etc/default/plimsoll", "CHECKED=/\n", mode=0o600)
        self.write(CONFIGURATION, SERVING.replace('path = "/"', 'path = "${CHECKED}"'))
        self.run_in("systemctl", "restart", "plimsoll")
        until("it is served", lambda: self.machine.get("http://127.0.0.1/", check=False))
        before, main = self.digest(CONFIGURATION), self.unit("MainPID")
        log = self.machine.path(f"{LOGS}/access.log")
        slow = self.slow_request()
        self.apt("install", "/root/second.deb")
        self.assertEqual(slow.communicate()[0], "slow but whole\n")
        self.assertIn("/cgi-bin/slow", log.read_text())
        self.assertEqual(self.run_in("dpkg-query", "-W", "-f", "${Version}", "plimsoll"), SECOND.replace("-", "~"))
        self.assertEqual(self.digest(CONFIGURATION), before)
        self.assertEqual(self.unit("ActiveState"), "active")
        self.assertNotEqual(self.unit("MainPID"), main)
        until("it is served again", lambda: self.machine.get("http://127.0.0.1/", check=False))
        self.run_in("rm", "-r", "/etc/systemd/system/plimsoll.service.d")
        self.run_in("systemctl", "daemon-reload")

    def test_08b_an_upgrade_to_what_would_not_start_leaves_what_serves(self):
        main = self.unit("MainPID")
        self.write(CONFIGURATION, SERVING.replace("health", "helth"))
        told = self.apt("install", "--reinstall", "/root/second.deb")
        self.assertIn("did you mean `health`", told)
        self.assertIn("systemctl restart plimsoll", told)
        self.assertEqual(self.run_in("dpkg-query", "-W", "-f", "${Status}", "plimsoll"), "install ok installed")
        self.assertEqual(self.unit("MainPID"), main)
        self.assertEqual(self.machine.get("http://127.0.0.1/"), "from the instance\n")
        self.write(CONFIGURATION, SERVING)

    def test_09_what_hinders_a_start_is_said_with_its_cure(self):
        self.run_in("systemctl", "stop", "plimsoll")
        self.assertEqual(self.instances(), [])
        taken = self.machine.run("busybox", "httpd", "-f", "-p", "127.0.0.1:80", "-h", "/srv/app", background=True)
        self.addCleanup(taken.communicate)
        # What entered the machine for it is no part of it, and would not take it along.
        self.addCleanup(self.run_in, "pkill", "-f", "^busybox httpd -f -p 127.0.0.1:80 ")
        until("port 80 is taken", lambda: self.machine.get("http://127.0.0.1/", check=False))
        self.assert_refused("cannot listen on 0.0.0.0:80", "sudo ss -ltnp")
        unprivileged = self.machine.run("runuser", "-u", "plimsoll", "--", "plimsoll", "run", check=False)
        self.assertEqual(unprivileged.returncode, 3, unprivileged.stdout)
        self.assertIn("AmbientCapabilities=CAP_NET_BIND_SERVICE", unprivileged.stdout)
        for hindrance, cure, words in [
            (f"mv {CONFIGURATION} /root/", f"mv /root/plimsoll.toml {CONFIGURATION}", ["plimsoll.toml", "hint: "]),
            (f"chmod 600 {CONFIGURATION}", f"chmod 644 {CONFIGURATION}", ["ermission denied", "hint: "]),
            (f"chown -R root {STATE}/journal.db", f"chown -R plimsoll {STATE}/journal.db", ["chown -R"]),
            (f"chmod 777 {STATE}/journal.db", f"chmod 600 {STATE}/journal.db", ["chmod go-rwx"]),
        ]:
            with self.subTest(hindrance):
                self.machine.shell(hindrance)
                try:
                    self.assert_refused(*words)
                finally:
                    self.machine.shell(cure)

    def assert_refused(self, *words):
        """A start fails, and the journal says these words."""
        self.run_in("journalctl", "--rotate", "--vacuum-time=1s", check=False)
        since = self.run_in("date", "+%s.%N").strip()
        self.assertNotEqual(self.machine.run("systemctl", "start", "plimsoll", check=False).returncode, 0)
        self.run_in("systemctl", "stop", "plimsoll")
        self.run_in("systemctl", "reset-failed", "plimsoll", check=False)
        said = self.run_in("journalctl", "--quiet", "--output=cat", "--unit=plimsoll", f"--since=@{since}")
        for word in words:
            self.assertIn(word, said)

    def test_10_a_removal_keeps_what_is_not_the_package_s(self):
        self.run_in("systemctl", "start", "plimsoll")
        until("it is served", lambda: self.machine.get("http://127.0.0.1/", check=False))
        before = self.digest(CONFIGURATION)
        slow = self.slow_request()
        self.apt("remove", "plimsoll")
        self.assertEqual((self.processes("^/usr/bin/plimsoll"), self.instances()), ([], []))
        # It was stopped in order: what was open has ended as it would have.
        self.assertEqual(slow.communicate()[0], "slow but whole\n")
        self.assertFalse(self.is_there("/usr/bin/plimsoll"))
        self.assertFalse(self.is_there("/lib/systemd/system/plimsoll.service"))
        self.assertEqual(self.digest(CONFIGURATION), before)
        for path in [f"{STATE}/journal.db", f"{LOGS}/access.log"]:
            self.assertTrue(self.is_there(path), path)

    def test_11_what_was_removed_comes_back_as_it_was(self):
        before = self.digest(CONFIGURATION)
        self.apt("install", "/root/second.deb")
        self.assertEqual(self.digest(CONFIGURATION), before)
        until("it is served again", lambda: self.machine.get("http://127.0.0.1/", check=False))

    def test_12_a_purge_leaves_only_the_user_and_what_the_administrator_made(self):
        self.write("/etc/plimsoll/certificate.pem", "the administrator's\n")
        # Of what a crash left, nothing is: there is no next start that would adopt its instance.
        self.write("/etc/systemd/system/plimsoll.service.d/crash.conf", "[Service]\nRestart=no\n")
        self.machine.shell(f"systemctl daemon-reload; kill -KILL {self.unit('MainPID')}")
        until("the unit has failed", lambda: self.unit("ActiveState") == "failed")
        self.assertEqual(len(self.instances()), 1)
        self.run_in("rm", "-r", "/etc/systemd/system/plimsoll.service.d")
        self.apt("purge", "plimsoll")
        until("the instance has ended", lambda: not self.instances())
        for path in [CONFIGURATION, STATE, LOGS, "/usr/bin/plimsoll", "/usr/share/plimsoll", "/etc/logrotate.d/plimsoll"]:
            self.assertFalse(self.is_there(path), path)
        self.assertTrue(self.is_there("/etc/plimsoll/certificate.pem"))
        self.assertEqual(self.machine.shell("find /etc/systemd /var/lib/systemd -name '*plimsoll*'").stdout, "")
        self.assertIn("nologin", self.run_in("getent", "passwd", "plimsoll"))
        self.run_in("rm", "-r", "/etc/plimsoll")
        self.apt("install", "/root/first.deb")
        self.assertIn("Plimsoll runs", self.machine.get("http://127.0.0.1:8080/"))
        self.machine.shell(f"""
            systemctl stop plimsoll
            mount -t tmpfs tmpfs {STATE}
            mkdir {LOGS}/kept
            mount -t tmpfs tmpfs {LOGS}/kept
            echo theirs > {LOGS}/kept/file
            systemctl start plimsoll
        """)
        self.assertTrue(self.is_there(f"{STATE}/journal.db"))
        told = self.apt("purge", "plimsoll")
        # A disk is emptied; what is mounted below is somebody else's.
        self.assertIn(f"{STATE} is left", told)
        self.assertEqual(self.run_in("ls", "-A", STATE), "")
        self.assertTrue(self.is_there(f"{LOGS}/kept/file"))
        self.machine.shell(f"umount {STATE} {LOGS}/kept; rm -r {STATE} {LOGS}")
        self.assertFalse(self.is_there("/etc/plimsoll"))
        self.run_in("userdel", "plimsoll")

    def test_13_the_archive_is_installed_by_hand_as_the_guide_says(self):
        page = (ROOT / "docs/guide/installing.md").read_text()
        section = page.split("## The archive\n")[1].split("\n## ")[0]
        lines = [line.strip() for line in section.splitlines() if line.startswith("    ")]
        self.assertEqual(len(lines), 8)
        script = "\n".join(lines).replace("sudo ", "").replace("0.1.0", FIRST).replace("x86_64-unknown-linux-gnu", TARGET)
        self.machine.shell(f"cd /root\n{script}")
        self.assertEqual((self.unit("ActiveState"), self.unit("UnitFileState")), ("active", "enabled"))
        self.assertIn("Plimsoll runs", self.machine.get("http://127.0.0.1:8080/"))
        self.assertEqual(self.processes("^/usr/local/bin/plimsoll run"), [self.unit("MainPID")])
        self.run_in("systemctl", "reload", "plimsoll")
        self.run_in("systemctl", "stop", "plimsoll")


if __name__ == "__main__":
    unittest.main()
