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


def texts(package):
    """The texts of the licenses that come with a package, by their words: white space makes no other text."""
    found = {}
    for path in sorted(Path(package["manifest_path"]).parent.rglob("*")):
        if TEXT.match(path.name) and path.suffix not in CODE and path.is_file() and path.stat().st_size <= BYTES_MAX:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            found.setdefault(" ".join(text.split()), text)
    return found


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
