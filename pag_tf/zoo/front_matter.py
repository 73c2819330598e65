"""The YAML block at the top of a model card, which the Hub reads.

A block may be edited by hand: an update rewrites only the lines of keys whose values change, and
keeps other keys, comments and quotes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

import yaml

# Where the Hub finds the block (huggingface_hub.repocard.REGEX_YAML_BLOCK), for "\n" line ends.
_BLOCK = re.compile(r"\A\s*---\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
# YAML versions disagree on what a number is: PyYAML reads 1e3 as text, the Hub as a number.
_LIKE_A_NUMBER = re.compile(r"[-+.\d]")
# Line breaks of YAML 1.1: PyYAML writes them unescaped unless quoted, and reads them as spaces.
_UNICODE_BREAK = re.compile("[\x85\u2028\u2029]")
# PyYAML passes on Python's exceptions for values that do not fit their tag, such as 2020-13-45.
_UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError)


def split(text: str) -> tuple[str, str]:
    r"""Splits a card into front matter and text.

    Args:
        text: The card, with `\n` line ends.

    Returns:
        The block between the two `---`, empty if there is none, and the text after it.
    """
    found = _BLOCK.match(text)
    return (found[1], text[found.end() :]) if found else ("", text)


def read(block: str) -> dict[str, Any]:
    """Returns the values of a block; empty for an empty block.

    Raises:
        ValueError: Invalid YAML, not a mapping, or a duplicate key.
    """
    try:
        loaded = yaml.safe_load(block)
        keys = [key.value for key, _ in _pairs(block)]
    except _UNREADABLE as error:
        raise _refusal(f"is not valid YAML ({_shown(error)})") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise _refusal(f"is a {type(loaded).__name__}, expected lines such as 'license: mit'")
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise _refusal(f"has the key {twice[0]!r} twice")
    return loaded


def updated(block: str, changes: Mapping[str, Any]) -> str:
    """Returns the block with new values for some keys.

    Args:
        block: The block; it may be empty.
        changes: Key to its new value, or to None to remove the key. New keys are appended.

    Returns:
        A block that parses to the old values with the changes; the same text if nothing changes.

    Raises:
        ValueError: See `read`.
    """
    before = read(block)
    after = {key: changes.get(key, value) for key, value in before.items()} | dict(changes)
    after = {key: value for key, value in after.items() if value is not None or key not in changes}
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    if not changed:
        return block
    text = _with_lines_replaced(block, {key: after.get(key) for key in changed})
    return text if _reads_back(text, after) else _dumped(after)


def _with_lines_replaced(block: str, changes: Mapping[str, Any]) -> str:
    """Splits the text at its top-level keys and replaces the pieces of those that change."""
    pairs = _pairs(block)
    cuts = [*(key.start_mark.index for key, _ in pairs), len(block)]
    pieces = [block[: cuts[0]]]
    for (key, _), (start, stop) in zip(pairs, itertools.pairwise(cuts), strict=True):
        piece = block[start:stop]
        if key.value in changes:
            # Comments after the value belong to the next key.
            comments = re.search(r"(?:^(?:#.*)?(?:\n|\Z))*\Z", piece, re.MULTILINE)
            piece = _line(key.value, changes[key.value]) + (comments[0] if comments else "")
        pieces.append(piece)
    known = {key.value for key, _ in pairs}
    pieces += [_line(key, value) for key, value in changes.items() if key not in known]
    return "".join(p if p.endswith("\n") else p + "\n" for p in pieces if p).removesuffix("\n")


def _line(key: str, value: Any) -> str:
    return "" if value is None else _dumped({key: value}) + "\n"


def _pairs(block: str) -> list[tuple[Any, Any]]:
    """Returns the top-level keys and values as nodes, which hold their positions in the text."""
    node = yaml.compose(block, Loader=yaml.SafeLoader)
    return node.value if isinstance(node, yaml.MappingNode) else []


def _reads_back(text: str, expected: Mapping[str, Any]) -> bool:
    """Returns False if lines could not be replaced, as in `{a: 1}` or with shared anchors."""
    try:
        return read(text) == expected
    except ValueError:
        return False


class _Dumper(yaml.SafeDumper):
    """Quotes strings that some YAML parsers read as another type."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = '"' if _LIKE_A_NUMBER.match(value) or _UNICODE_BREAK.search(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def _dumped(values: Mapping[str, Any]) -> str:
    text: str = yaml.dump(
        dict(values), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**6
    )
    return text.removesuffix("\n")


def _shown(error: BaseException) -> str:
    problem = getattr(error, "problem", None) or str(error) or type(error).__name__
    mark = getattr(error, "problem_mark", None)
    # Counted from 0, after the first "---".
    return f"line {mark.line + 2}: {problem}" if mark else f"{problem}"


def _refusal(what: str) -> ValueError:
    return ValueError(
        f"The front matter of the model card, between its first two lines '---', {what}. Fix it "
        "by hand, or delete it to have it written again from pag.json. Nothing was changed."
    )
