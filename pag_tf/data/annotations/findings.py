"""Faults of annotation files, collected so that a message tells how many there are of a kind."""

from __future__ import annotations


class Findings:
    """Faults found while a file is read, grouped by their remedy."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def add(self, fault: str, remedy: str, *, count: int = 1) -> None:
        """Adds a fault, or several like it.

        Args:
            fault: What is wrong, beginning with the file and the line or image.
            remedy: What was expected and what to do; the same text for all faults of a kind.
            count: Number of faults that `fault` is the first of.
        """
        self._first.setdefault(remedy, fault)
        self._counts[remedy] = self._counts.get(remedy, 0) + count

    def refuse(self) -> None:
        """Raises a ValueError with the first fault, if there is one, and the number of its kind."""
        for remedy, fault in self._first.items():
            others = self._counts[remedy] - 1
            more = f" (and {others:,} more like it)" if others else ""
            raise ValueError(f"{fault}{more}: {remedy}")
