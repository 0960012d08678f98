"""What `scripts/release` makes, and what it refuses. Needs no root."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

from built import ROOT, TARGET, only, release

sys.path.insert(0, str(ROOT / "packaging"))
from crates import Crates  # noqa: E402
from sbom import bill  # noqa: E402
from third_party import render, texts  # noqa: E402

VERSION = "1.2.3-rc.1"
NAME = f"plimsoll-{VERSION}-{TARGET}"


def directory(test):
    """A directory for one test, in a place that scripts stumble over."""
    made = tempfile.TemporaryDirectory(prefix="plimsoll's release $HOME ")
    test.addCleanup(made.cleanup)
    return Path(made.name)


def digests(out):
    """What is in the files of a release."""
    files = [path for path in out.rglob("*") if path.is_file()]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Release(unittest.TestCase):
    def test_the_archive_has_everything_and_its_files_are_for_everybody(self):
        out = directory(self)
        # What the caller keeps to himself is no property of what he releases.
        before = os.umask(0o077)
        self.addCleanup(os.umask, before)
        release(out, "--version", VERSION, "--fast", "archive", TMPDIR=str(out))
        with tarfile.open(out / f"{NAME}.tar.gz") as archive:
            members = {member.name: member for member in archive.getmembers()}
        for name in [
            "plimsoll", "LICENSE", "THIRD-PARTY.md", "README.md", "plimsoll.service", "plimsoll.toml", "schema.json",
            "man/plimsoll.1", "man/plimsoll-run.1", "completions/plimsoll", "completions/_plimsoll",
            "completions/plimsoll.fish", "guide/installing.md", "reference/configuration.md",
        ]:  # fmt: skip
            self.assertIn(f"{NAME}/{name}", members)
        for name, member in members.items():
            is_program = member.isdir() or name == f"{NAME}/plimsoll"
            self.assertEqual((member.uid, member.gid, member.mode), (0, 0, 0o755 if is_program else 0o644), name)

    def test_of_the_same_program_the_same_is_made(self):
        # A package, and whose library is whose, only Debian makes and knows.
        of_debian = ["deb", "root"] if shutil.which("dh") else []
        made = []
        for _ in range(2):
            out = directory(self)
            parts = ["archive", *of_debian, "sbom", "sums"]
            release(out, "--version", VERSION, "--fast", *parts, SOURCE_DATE_EPOCH="1700000000")
            made.append(digests(out))
        self.assertEqual(made[0], made[1])
        self.assertEqual(len(made[0]), 6 if of_debian else 3, made[0])

    def test_the_checksums_hold(self):
        out = directory(self)
        release(out, "--version", VERSION, "--fast", "archive", "sbom", "sums")
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=out, check=True)
        listed = [line.split("  ", 1)[1] for line in (out / "SHA256SUMS").read_text().splitlines()]
        self.assertEqual(listed, sorted([f"{NAME}.tar.gz", f"{NAME}.cdx.json"]))

    def test_what_makes_no_sense_is_refused(self):
        out = directory(self)
        nothing = out / "nothing"
        text = out / "text"
        text.write_text("no program\n")
        text.chmod(0o755)
        for words, binary, code, told in [
            (["--version", "1.2"], None, 2, "no version such as"),
            (["--version", "1.2.3 4"], None, 2, "no version such as"),
            (["--version"], None, 2, "needs a value"),
            (["rpm"], None, 2, "there is no rpm"),
            (["image"], None, 1, "scripts/release root image"),
            (["archive"], nothing, 1, "is no program"),
            (["archive"], text, 1, "does not run here"),
        ]:
            with self.subTest(words, binary=binary):
                ended = release(out, *words, check=False, binary=binary)
                self.assertEqual(ended.returncode, code, ended.stderr)
                self.assertIn(told, ended.stderr)
                self.assertEqual(list(out.glob("plimsoll-*")), [])


class Parts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.crates = Crates.of(TARGET)
        cls.linked = cls.crates.linked()
        cls.names = {package["name"] for package in cls.linked}

    def test_what_is_linked_is_listed_and_nothing_else(self):
        for name in ["rustls", "aws-lc-sys", "libsqlite3-sys", "tokio", "httparse"]:
            self.assertIn(name, self.names)
        # Tests, build scripts, macros, and our own.
        for name in ["proptest", "insta", "loom", "cc", "serde_derive", "clap_derive", "config", "wire", "testkit"]:
            self.assertNotIn(name, self.names)

    def test_the_bill_is_whole(self):
        made = bill(self.crates, TARGET, VERSION, 1_700_000_000)
        self.assertEqual(made, bill(self.crates, TARGET, VERSION, 1_700_000_000))
        refs = [component["bom-ref"] for component in made["components"]]
        self.assertEqual(len(refs), len(set(refs)))
        program = made["metadata"]["component"]["bom-ref"]
        self.assertEqual([entry["ref"] for entry in made["dependencies"]], [program, *refs])
        reached, waiting = set(), [program]
        asked = {entry["ref"]: entry["dependsOn"] for entry in made["dependencies"]}
        while waiting:
            new = [ref for ref in asked[waiting.pop()] if ref not in reached]
            reached.update(new)
            waiting += new
        self.assertEqual(reached, set(refs))
        for component in made["components"]:
            self.assertRegex(component["hashes"][0]["content"], "^[0-9a-f]{64}$")
            self.assertNotIn("/", component["licenses"][0]["expression"])

    def test_each_crate_comes_with_the_text_of_its_license(self):
        page = render(self.linked)
        for package in self.linked:
            self.assertIn(f"| {package['name']} | {package['version']} | ", page)
            self.assertTrue(texts(package), package["name"])
        self.assertIn("Permission is hereby granted", page)


if __name__ == "__main__":
    unittest.main()
