"""absl flags from the fields of a dataclass: its names, types, defaults and help texts."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from typing import Any, TypeVar

from absl import flags

# The flags belong to the script that defines them through this module: its --help lists them.
flags.disclaim_key_flags()

Config = TypeVar("Config")

_DEFINE: dict[str, Callable[..., Any]] = {
    "str": flags.DEFINE_string,
    "int": flags.DEFINE_integer,
    "float": flags.DEFINE_float,
    "bool": flags.DEFINE_bool,
}
_define_alias = flags.DEFINE_alias


def define(config: type, flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one flag for each field, whose metadata holds its `help` and a former name."""
    for field in dataclasses.fields(config):
        add = _DEFINE[str(field.type)]
        add(field.name, field.default, field.metadata["help"], flag_values=flag_values)
        if alias := field.metadata.get("alias"):
            _define_alias(alias, field.name, flag_values=flag_values)


def read(
    config: type[Config], flag_values: flags.FlagValues = flags.FLAGS, **changes: Any
) -> Config:
    """The dataclass with the values of the parsed flags, some fields replaced."""
    names = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]
    return config(**{name: getattr(flag_values, name) for name in names} | changes)


def read_file(config: type[Config], path: str, **changes: Any) -> Config:
    """The dataclass that a flag file gives, some fields replaced; no flag of the program is read.

    Raises:
        ValueError: No such file, or a flag in it that the dataclass has no field for.
    """
    own = flags.FlagValues()
    define(config, own)
    try:
        own(["program", f"--flagfile={path}"])
    except flags.Error as error:
        raise ValueError(f"{path}: {error}") from None
    return read(config, own, **changes)


def flag_lines(config: Any, leave_out: tuple[str, ...] = ()) -> str:
    """A flag file (one `--name=value` a line) that gives this dataclass again."""
    values = dataclasses.asdict(config)
    return "".join(f"--{n}={_text(v)}\n" for n, v in values.items() if n not in leave_out)


def run(main: types.FunctionType | Any, *, positional: str = "") -> None:
    """Runs `main(argv)` under absl; an error of the user's is one line, not a traceback.

    `positional` names the flag whose value may also be given without it, before or after the
    others: `program.py photo.jpg --eps=0` for `program.py --picture=photo.jpg --eps=0`.
    """
    from absl import app

    flags.FLAGS.set_gnu_getopt(bool(positional))

    def guarded(argv: list[str]) -> None:
        arguments = argv[1:]
        if positional and len(arguments) == 1 and not flags.FLAGS[positional].present:
            flags.FLAGS[positional].parse(arguments.pop())
        if arguments:
            raise app.UsageError(f"Unexpected arguments: {' '.join(arguments)}")
        try:
            main(argv)
        except (ValueError, FloatingPointError, OSError) as error:
            raise SystemExit(f"error: {error}") from error

    app.run(guarded)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
