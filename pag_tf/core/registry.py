"""Registries: named extensions of the library, one file each.

```
ATTACKS: Registry[type[Attack]] = Registry("attack", package="pag_tf.attacks.methods")

@ATTACKS.register("fgsm")  # in pag_tf/attacks/methods/fgsm.py
class FGSM(Attack): ...
```

Names are file names: `ATTACKS.names()` lists them without importing the files, which keeps
`--help` fast. A file is imported when its name is looked up.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to objects of one kind.

    Args:
        noun: The word for an object in error messages, such as `"attack"`.
        package: Package whose modules each register an object under the name of the module; `""`
            for none. Modules that begin with an underscore are skipped.
    """

    def __init__(self, noun: str, *, package: str = "") -> None:
        self._noun, self._package = noun, package
        self._things: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Returns a decorator that registers an object under `name`.

        Raises:
            ValueError: The name is taken.
        """

        def add(thing: T) -> T:
            # Only the file of this name may register it, while it is imported.
            reserved = name in self._modules() and f"{self._package}.{name}" not in sys.modules
            if name in self._things or reserved:
                raise ValueError(
                    f"The {self._noun} {name!r} is registered already. Choose another name."
                )
            self._things[name] = thing
            return thing

        return add

    def names(self) -> tuple[str, ...]:
        """Returns all names in alphabetical order without importing anything."""
        return tuple(sorted({*self._things, *self._modules()}))

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __getitem__(self, name: str) -> T:
        """Returns the object of this name, imported on first use.

        Raises:
            ValueError: Unknown name; the message lists the known ones.
        """
        if name not in self._things and name in self._modules():
            importlib.import_module(f"{self._package}.{name}")
            assert name in self._things, f"{self._package}.{name} registers no {name!r}"
        if name not in self._things:
            close = difflib.get_close_matches(str(name), self.names(), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            known = ", ".join(self.names())
            raise ValueError(f"Unknown {self._noun} {name!r}. Known: {known}.{hint}")
        return self._things[name]

    def _modules(self) -> set[str]:
        if not self._package:
            return set()
        path = importlib.import_module(self._package).__path__
        return {m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_")}
