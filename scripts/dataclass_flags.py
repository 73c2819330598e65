"""absl flags from the fields of a dataclass: its names, types, defaults and help texts."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, TypeVar

from absl import flags

# The flags belong to the script that defines them through this module: its --help lists them.
flags.disclaim_key_flags()

Config = TypeVar("Config")

_DEFINE = {
    "str": flags.DEFINE_string,
    "int": flags.DEFINE_integer,
    "float": flags.DEFINE_float,
    "bool": flags.DEFINE_bool,
}


def define(config: type) -> None:
    """Defines one flag for each field; the field's metadata holds its `help`."""
    for field in dataclasses.fields(config):
        _DEFINE[str(field.type)](field.name, field.default, field.metadata["help"])


def read(config: type[Config]) -> Config:
    """The dataclass with the values of the parsed flags."""
    names = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]
    return config(**{name: getattr(flags.FLAGS, name) for name in names})


def flag_lines(config: Any, leave_out: tuple[str, ...] = ()) -> str:
    """A flag file (one `--name=value` a line) that gives this dataclass again."""
    values = dataclasses.asdict(config)
    return "".join(f"--{n}={_text(v)}\n" for n, v in values.items() if n not in leave_out)


def run(main: types.FunctionType | Any) -> None:
    """Runs `main(argv)` under absl; an error of the user's is one line, not a traceback."""
    from absl import app

    def guarded(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"Unexpected arguments: {' '.join(argv[1:])}")
        try:
            main(argv)
        except (ValueError, FloatingPointError, OSError) as error:
            raise SystemExit(f"error: {error}") from error

    app.run(guarded)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
