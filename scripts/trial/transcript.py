"""What a page of the guide shows that a deploy prints, held against what one printed.

Owns the form of such a transcript: an indented block that begins with the first step of a deploy. Numbers, units, and who
deployed where differ from run to run; what the judge says of the requests does, too. All else has to be there, and what is printed
before the first instance starts has to be shown.
"""

import itertools
import re

BEGIN = re.compile(r" {4} *0\.0 s  \S")
STARTS = "is starting"
QUIET = "no requests came while it was watched"
COUNTS = re.compile(r"\S+ +[\d,]+ of [\d,]+ attempts failed|users saw ")
"""What stands in a receipt in the place of that: a client that keeps its connections may have sent all before the deploy began."""
VARIES = [
    (re.compile(r"(?<=in )/\S+"), "DIRECTORY"),
    (re.compile(r"(the judge says).*"), r"\1"),
    (re.compile(r", by \S+( by CI)?"), ", by somebody"),
    (re.compile(r"(?<![\w#-])(\d[\d.,]*|-)( (µs|ms|s|%))?(?!\w)"), "#"),
    (re.compile(r"\s+"), " "),
]


def transcripts(page: str) -> list[list[str]]:
    """Those of a page, each by its lines."""
    found: list[list[str]] = []
    inside = False
    for line in page.splitlines():
        if BEGIN.match(line) and not inside:
            found.append([])
            inside = True
        elif line and not line.startswith("    "):
            inside = False
        if inside and line:
            found[-1].append(line.strip())
    return found


def printed_by(command: str, page: str) -> list[str]:
    """What a page shows that a command prints: the indented lines below it, but for blank ones."""
    lines = iter(page.splitlines())
    if f"    {command}" not in lines:
        raise ValueError(f"the page does not say `{command}`")
    below = itertools.takewhile(lambda line: not line or line.startswith("    "), lines)
    return [line[4:] for line in below if line]


def faults(transcript: list[str], printed: str) -> list[str]:
    """The lines of a transcript that were not printed, and those of the beginning that are not shown."""
    lines = printed.strip().splitlines()
    were, are = {_shape(line) for line in lines}, {_shape(line) for line in transcript}
    is_quiet = any(QUIET in line for line in lines)
    first = itertools.takewhile(lambda line: STARTS not in line, lines)
    return [
        *(
            f"not printed: {line}"
            for line in transcript
            if _shape(line) not in were and not (is_quiet and COUNTS.match(line))
        ),
        *(f"not shown: {line}" for line in first if _shape(line) not in are),
    ]


def _shape(line: str) -> str:
    for varies, shape in VARIES:
        line = varies.sub(shape, line)
    return line.strip()
