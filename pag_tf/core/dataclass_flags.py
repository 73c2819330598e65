"""absl flags from the fields of a dataclass: names, types, defaults and help texts."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from absl import flags

from pag_tf import __version__

# The flags belong to the calling script, whose --help lists them.
flags.disclaim_key_flags()

Config = TypeVar("Config")

_DEFINE: dict[str, Callable[..., Any]] = {
    "str": flags.DEFINE_string,
    "int": flags.DEFINE_integer,
    "float": flags.DEFINE_float,
    "bool": flags.DEFINE_bool,
}
_define_alias, _define_flag = flags.DEFINE_alias, flags.DEFINE_flag


def define(
    config: type, flag_values: flags.FlagValues = flags.FLAGS, *, leave_out: Collection[str] = ()
) -> None:
    """Defines a flag for each field, with the help text and former name in its metadata.

    Fields in `leave_out` have the flags of another dataclass.
    """
    for field in dataclasses.fields(config):
        if field.name in leave_out:
            continue
        add = _DEFINE[str(field.type)]
        add(field.name, field.default, field.metadata["help"], flag_values=flag_values)
        if alias := field.metadata.get("alias"):
            _define_alias(alias, field.name, flag_values=flag_values)


def read(
    config: type[Config], flag_values: flags.FlagValues = flags.FLAGS, **changes: Any
) -> Config:
    """Returns a dataclass with the values of the parsed flags; `changes` replace some fields."""
    names = [field.name for field in dataclasses.fields(config)]  # type: ignore[arg-type]
    return config(**{name: getattr(flag_values, name) for name in names} | changes)


def read_file(config: type[Config], path: str, **changes: Any) -> Config:
    """Reads a dataclass from a flag file only; `changes` replace some fields.

    Raises:
        ValueError: No such file, or a flag without a field in the dataclass.
    """
    own = flags.FlagValues()
    define(config, own)
    try:
        own(["program", f"--flagfile={path}"])
    except flags.Error as error:
        raise ValueError(f"{path}: {error}") from None
    return read(config, own, **changes)


def flag_lines(config: Any, leave_out: tuple[str, ...] = ()) -> str:
    """Returns a flag file (one `--name=value` per line) that reproduces the dataclass."""
    values = dataclasses.asdict(config)
    return "".join(f"--{n}={_text(v)}\n" for n, v in values.items() if n not in leave_out)


def changed(
    config: Any, *, always: Collection[str] = (), leave_out: Collection[str] = ()
) -> dict[str, str]:
    """Returns the flags of the fields that differ from their defaults, as words of a command.

    Args:
        config: The dataclass.
        always: Names of fields that are given even with their defaults.
        leave_out: Names of fields that are not.

    Returns:
        Name of each field to its word, `--name=value`.
    """
    return {
        field.name: f"--{field.name}={getattr(config, field.name)}"
        for field in dataclasses.fields(config)
        if field.name not in leave_out
        and (field.name in always or getattr(config, field.name) != field.default)
    }


def run(main: types.FunctionType | Any, *, positional: str = "") -> None:
    """Runs `main(argv)` under absl; user errors print one line instead of a traceback.

    `positional` names a flag whose value may also be a positional argument:
    `program.py photo.jpg --eps=0` for `program.py --picture=photo.jpg --eps=0`.
    """
    from absl import app

    _show_help_of(main.__module__)
    if "version" not in flags.FLAGS:  # else run before in this process
        _define_flag(_Version())
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


class _Version(flags.BooleanFlag):
    """The flag `--version`: as `--help`, it ends the program before anything else is checked."""

    def __init__(self) -> None:
        super().__init__("version", False, "Print the version of pag_tf and exit.")

    def parse(self, argument: Any) -> None:
        if self._parse(argument):
            print(f"pag_tf {__version__}")
            sys.exit()


def _show_help_of(module: str) -> None:
    """Makes `--help` show the docstring and flags of a module other than the one started first.

    absl shows those of the latter, which is a short script that calls the module.
    """
    for flag in flags.FLAGS.get_key_flags_for_module(module):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    sys.modules["__main__"].__doc__ = sys.modules[module].__doc__


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
