"""Code blocks of README.md, CONTRIBUTING.md and docs/, and the commands in them."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"))
    if not path.read_text("utf-8").startswith("--8<--")  # shows a file of the root
)
# `<!-- not run: why -->` above a block leaves it out.
_BLOCK = re.compile(r"(<!-- not run: .+? -->\n+)?^```(\w+)[^\n]*\n(.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    """One code block of a page."""

    page: str
    language: str
    code: str
    number: int
    runs: bool


def blocks(language: str) -> list[Block]:
    """All code blocks of one language, in the order of the pages."""
    return [
        Block(path.relative_to(ROOT).as_posix(), language, code, number, not not_run)
        for path in PAGES
        for number, (not_run, lang, code) in enumerate(_BLOCK.findall(path.read_text("utf-8")), 1)
        if lang == language
    ]


def commands() -> list[list[str]]:
    """The command lines of all shell blocks, without comments, as words."""
    text = "\n".join(block.code for block in blocks("bash")).replace("\\\n", " ")
    return [words for line in text.splitlines() if (words := shlex.split(line, comments=True))]
