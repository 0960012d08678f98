"""The licenses of the crates that the program contains, as their authors ask that they go along with it.

    packaging/third_party.py TARGET > THIRD-PARTY.md
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

from crates import Crates

# How the files with a license's text are called. Some crates bring the sources of others, each with its own.
TEXT = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)([-._].*)?$", re.IGNORECASE)
# What is no text, though it may be called so.
CODE = {".rs", ".c", ".h", ".go", ".py", ".pl", ".json", ".toml", ".html"}
# A license is no book.
BYTES_MAX = 64 * 1024
# Ours is Apache-2.0, too.
APACHE = Path(__file__).resolve().parent.parent / "LICENSE"
# As https://spdx.org/licenses/MIT.html has it.
MIT = """\
MIT License

Copyright (c) {holders}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


def texts(package):
    """The texts of the licenses that come with a package, by their words: white space makes no other text."""
    found = {}
    for path in sorted(Path(package["manifest_path"]).parent.rglob("*")):
        if TEXT.match(path.name) and path.suffix not in CODE and path.is_file() and path.stat().st_size <= BYTES_MAX:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            found.setdefault(" ".join(text.split()), text)
    return found or standard(package)


def standard(package):
    """The text of the license that a package names without bringing it; nothing, where it is none of the usual ones."""
    choices = re.split(r"\s+OR\s+|/", package["license"] or "")
    if "Apache-2.0" in choices:
        text = APACHE.read_text(encoding="utf-8").strip()
    elif "MIT" in choices:
        holders = ", ".join(package.get("authors") or []) or f"the authors of {package['name']}"
        text = MIT.format(holders=holders)
    else:
        return {}
    return {" ".join(text.split()): text}


def render(packages):
    """The page."""
    owners, whole = defaultdict(list), {}
    for package in packages:
        for words, text in texts(package).items():
            whole.setdefault(words, text)
            owners[words].append(f"{package['name']} {package['version']}")
    lines = ["# What Plimsoll contains", "", "| crate | version | license |", "| --- | --- | --- |"]
    for package in packages:
        lines.append(f"| {package['name']} | {package['version']} | {package['license'] or 'see its text'} |")
    lines += ["", "# Their licenses"]
    for words in sorted(whole, key=lambda words: (owners[words], words)):
        lines += ["", f"## {', '.join(owners[words])}", ""]
        # A text may have a fence of its own.
        lines += ["    " + line if line.strip() else "" for line in whole[words].splitlines()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.stdout.write(render(Crates.of(sys.argv[1]).linked()))
