"""Tables of shares as Markdown, in percent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Lines of a table with a head."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]


def percent(share: float | None) -> str:
    """A share in percent, or "-"."""
    return "-" if share is None else f"{100 * share:.1f}"


def with_interval(part: dict[str, Any], name: str) -> str:
    """A number of a result in percent, with its interval where it has one."""
    text = percent(part[name])
    if name in part["intervals"]:
        low, high = part["intervals"][name]
        text += f" [{100 * low:.1f}, {100 * high:.1f}]"
    return text


def threat_model(text: str, eps: float) -> str:
    """What a model was trained within."""
    return "nothing (natural)" if eps == 0 else f"`{text}`"
