"""The command that makes a measurement again."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Collection
from typing import Any


def measuring_command(
    script: str, config: Any, *, always: Collection[str], left_out: Collection[str]
) -> str:
    """A command line with all settings of a dataclass that are no defaults.

    Args:
        script: The program, such as `"scripts/evaluate.py"`.
        config: The settings, a dataclass whose fields are the program's flags.
        always: Names of fields that are given first, and although they are defaults.
        left_out: Names of fields that change no number, and those without meaning beside others.

    Returns:
        One line for a shell.
    """
    arguments = [
        f"--{field.name}={getattr(config, field.name)}"
        for field in sorted(dataclasses.fields(config), key=lambda field: field.name not in always)
        if field.name not in left_out
        and (field.name in always or getattr(config, field.name) != field.default)
    ]
    return shlex.join(["python", script, *arguments])
