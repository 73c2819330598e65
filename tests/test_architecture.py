"""Who may import whom, and where things live: design rules that a reader can rely on."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "pag_tf"

# Every part of pag_tf, and the parts it may import besides core, which is open to all.
MAY_IMPORT = {
    "core": set(),
    "data": set(),
    "models": set(),
    "attacks": set(),
    "explain": set(),
    "training": {"data", "models", "attacks", "zero_shot", "zoo"},
    "zoo": {"data", "models", "attacks"},
    "localization": set(),
    "zero_shot": {"models"},
    "alignment": {"attacks", "explain", "localization"},
    "figures": set(),
    "report": {"figures", "measure"},
    "measure": {
        *("data", "zoo", "attacks", "explain", "localization", "zero_shot", "alignment", "figures"),
    },
    "programs": {"", "data", "measure", "report", "training"},  # "": pag_tf itself
    "evaluation": {"data"},  # a former name
}
OPEN_TO_ALL = {"core"}
# These import nothing of ours, not even what is open to all.
CLOSED = OPEN_TO_ALL
# Arrays or result files in, numbers or pages out: they never see a model.
WITHOUT_MODELS = {"localization", "figures", "report"}
DEEP_LEARNING = {"tensorflow", "keras", "jax", "torch", "tf_explain"}
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "misc", "common"}


class Import(NamedTuple):
    """One module name that a file imports, always absolute."""

    module: str
    line: int


class Arrow(NamedTuple):
    """One import between two parts of the package; `imported` is "" for the package itself."""

    importer: str
    imported: str
    where: str


def python_files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def imports(path: Path, package: Path) -> Iterator[Import]:
    """Yields every import in the file, wherever it stands; `from a import b` yields a.b."""
    inside = path.relative_to(package.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = list(inside[: len(inside) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                yield Import(".".join([*base, alias.name]), node.lineno)
        elif isinstance(node, ast.Call):
            module = _imported_by_call(node, inside)
            if module:
                yield Import(module, node.lineno)


def _imported_by_call(call: ast.Call, inside: tuple[str, ...]) -> str | None:
    """The module that `import_module("...")` or `__import__("...")` names, if it is written out."""
    name = getattr(call.func, "attr", getattr(call.func, "id", None))
    if name not in {"import_module", "__import__"} or not call.args:
        return None
    argument = call.args[0]
    if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
        return None
    module = argument.value.lstrip(".")
    level = len(argument.value) - len(module)
    return ".".join([*inside[: len(inside) - level + 1], module]) if level else module


def arrows(package: Path) -> Iterator[Arrow]:
    """Yields the imports between different parts of the package.

    The package's own `__init__.py` is left out: it names every part, lazily.
    """
    for path in python_files(package):
        importer = path.relative_to(package).with_suffix("").parts[0]
        if importer == "__init__":
            continue
        for module, line in imports(path, package):
            head, *rest = module.split(".")
            if head != package.name:
                continue
            imported = rest[0] if rest else ""
            if imported not in MAY_IMPORT and not _is_part(package, imported):
                imported = ""  # A name that the package itself offers, such as a class.
            if imported != importer and rest != ["__version__"]:
                yield Arrow(importer, imported, f"{path.relative_to(package.parent)}:{line}")


def _is_part(package: Path, name: str) -> bool:
    return bool(name) and ((package / name).is_dir() or (package / f"{name}.py").is_file())


def forbidden(package: Path) -> list[str]:
    """One line for each import that the table does not allow."""
    lines = []
    for importer, imported, where in arrows(package):
        allowed = MAY_IMPORT.get(importer, set())
        if importer not in CLOSED:
            allowed = allowed | OPEN_TO_ALL
        if imported not in allowed:
            target = f"{package.name}.{imported}" if imported else f"{package.name} itself"
            lines.append(f"{where}: {importer} may not import {target}")
    return lines


def test_imports_follow_the_design():
    assert python_files(PACKAGE), f"no Python files under {PACKAGE}"
    assert forbidden(PACKAGE) == []


def test_every_part_is_in_the_table():
    parts = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in python_files(PACKAGE)}
    assert parts - {"__init__"} <= set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("file", "source", "importer", "imported"),
    [
        ("data/a.py", "import pag_tf.models", "data", "models"),
        ("data/a.py", "import pag_tf.models.resnet as resnet", "data", "models"),
        ("data/a.py", "from pag_tf import models", "data", "models"),
        ("data/a.py", "from pag_tf.models import build", "data", "models"),
        ("data/a.py", "from .. import models", "data", "models"),
        ("data/a.py", "from ..models.resnet import build", "data", "models"),
        ("data/deep/a.py", "from ...models import build", "data", "models"),
        ("data/a.py", "def f():\n    from ..models import build", "data", "models"),
        ("data/a.py", "if TYPE_CHECKING:\n    from ..models import build", "data", "models"),
        ("data/a.py", "importlib.import_module('pag_tf.models')", "data", "models"),
        ("data/a.py", "import_module('..models', __package__)", "data", "models"),
        ("data/a.py", "__import__('pag_tf.models')", "data", "models"),
        ("data/__init__.py", "from ..models import build", "data", "models"),
        ("models/a.py", "from ..attacks import PGD", "models", "attacks"),
        ("zoo/a.py", "from ..training import AdversarialModel", "zoo", "training"),
        ("training/a.py", "from ..measure import entries", "training", "measure"),
        ("core/a.py", "from ..data import load", "core", "data"),
        ("report/a.py", "from ..zoo import load", "report", "zoo"),
        ("measure/a.py", "from pag_tf.report import write_page", "measure", "report"),
        ("attacks/a.py", "import pag_tf", "attacks", ""),
        ("attacks/a.py", "from pag_tf import ThreatModel", "attacks", ""),
        ("unheard_of/a.py", "from ..data import load", "unheard_of", "data"),
    ],
)  # fmt: skip
def test_the_checker_catches_a_forbidden_import(tmp_path, file, source, importer, imported):
    package = plant(tmp_path, {file: source})
    (line,) = forbidden(package)
    assert line.startswith(f"pag_tf/{file}:")
    assert f"{importer} may not import pag_tf{'.' + imported if imported else ' itself'}" in line


def test_the_checker_allows_what_the_design_allows(tmp_path):
    package = plant(
        tmp_path,
        {
            "__init__.py": "from . import attacks, training",
            "core/threat_model.py": "import math",
            "core/backend/__init__.py": "import keras",
            "attacks/pgd.py": "from . import geometry\nfrom ..core.threat_model import ThreatModel",
            "attacks/geometry.py": "from pag_tf.core.backend import input_gradient\nimport keras",
            "training/model.py": "from .. import attacks, data, models, zoo\nfrom . import step",
            "training/callbacks.py": "from pag_tf import __version__",
            "zoo/load.py": "from ..models.layers import head",
            "zero_shot/a.py": "from ..models import build",
            "measure/a.py": "from pag_tf import data, localization, figures",
            "alignment/a.py": "from ..attacks import PGD\nfrom ..explain import gradients",
            "report/a.py": "from ..core.threat_model import ThreatModel",
            "localization/a.py": "from .boxes import box\nimport numpy",
        },
    )  # fmt: skip
    assert forbidden(package) == []
    assert len(list(arrows(package))) == 14


def plant(folder: Path, files: dict[str, str]) -> Path:
    for name, source in files.items():
        path = folder / "pag_tf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder / "pag_tf"


def test_parts_without_models_import_no_deep_learning():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for part in sorted(WITHOUT_MODELS)
        for path in python_files(PACKAGE / part)
        for module, line in imports(path, PACKAGE)
        if module.split(".")[0] in DEEP_LEARNING
    ]
    assert found == []


def depends_on_backend(package: Path) -> list[str]:
    """One line for each import of a backend, or decision by its name, outside core/backend."""
    lines = []
    for path in python_files(package):
        if package / "core" / "backend" in path.parents:
            continue
        where = path.relative_to(package.parent)
        lines += [
            f"{where}:{line}: imports {module}"
            for module, line in imports(path, package)
            if module.split(".")[0] in {"jax", "jaxlib", "torch"}
        ]
        lines += [
            f"{where}:{node.lineno}: decides by the backend's name: {ast.unparse(node)}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if any(map(_names_backend, _compared(node)))
        ]
    return lines


def _compared(node: ast.AST) -> Iterator[ast.expr]:
    """Yields what a comparison, a look-up or a case compares, elements of literals included."""
    if isinstance(node, ast.Compare):
        yield from (node.left, *node.comparators)
        for operand in (node.left, *node.comparators):
            yield from getattr(operand, "elts", ())
    elif isinstance(node, ast.Subscript):
        yield node.slice
        yield from filter(None, getattr(node.value, "keys", ()))
    elif isinstance(node, ast.Match):
        yield node.subject
        for case in node.cases:
            yield from (n.value for n in ast.walk(case.pattern) if isinstance(n, ast.MatchValue))


def _names_backend(value: ast.expr) -> bool:
    """Whether this is the name of a backend written out, or reads the name of the one in use."""
    if isinstance(value, ast.Constant):
        return value.value in ("tensorflow", "jax", "torch")
    return any(
        ast.unparse(node).endswith(("backend.NAME", "backend()"))
        for node in ast.walk(value)
        if isinstance(node, (ast.Attribute, ast.Call))
    )


def test_only_core_backend_depends_on_the_backend():
    assert depends_on_backend(PACKAGE) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import jax", "imports jax"),
        ("def f():\n    import jax.numpy as jnp", "imports jax.numpy"),
        ("from torch import nn", "imports torch.nn"),
        ("import_module('torch')", "imports torch"),
        ("if backend.NAME != other: pass", "decides by"),
        ("if core.backend.NAME in names: pass", "decides by"),
        ("x = 1 if keras.backend.backend() == name else 2", "decides by"),
        ("x = keras.config.backend() in names", "decides by"),
        ("x = name in ('jax', 'torch')", "decides by"),
        ("x = {'jax': 1}[name]", "decides by"),
        ("x = ways[backend.NAME]", "decides by"),
        ("x = backend.NAME.lower() == name", "decides by"),
        ("match backend.NAME:\n    case other:\n        pass", "decides by"),
        ("match name:\n    case 'jax' | 'tensorflow':\n        pass", "decides by"),
    ],
)
def test_a_decision_by_backend_is_caught(tmp_path, source, found):
    package = plant(tmp_path, {"attacks/a.py": source, "core/backend/jax.py": source})
    lines = depends_on_backend(package)
    assert lines
    assert all(line.startswith("pag_tf/attacks/a.py:") for line in lines)
    assert all(found in line for line in lines)


def test_recording_the_backend_is_no_decision(tmp_path):
    source = (
        "import tensorflow as tf\nresult = dict(backend=keras.backend.backend())\n"
        "found = find_spec('tensorflow') is not None"
    )
    assert depends_on_backend(plant(tmp_path, {"measure/a.py": source})) == []


def test_the_library_imports_no_script():
    programs = {"scripts", "tools"} | {
        path.stem for path in python_files(ROOT / "scripts", ROOT / "tools")
    }
    found = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path in python_files(PACKAGE)
        for module, line in imports(path, PACKAGE)
        if module.split(".")[0] in programs
    ]
    assert found == []


def test_flags_are_defined_by_programs_only():
    folders = [PACKAGE, ROOT / "tests", ROOT / "benchmarks"]
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node.func)}"
        for path in python_files(*folders)
        if PACKAGE / "programs" not in path.parents
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2].startswith("DEFINE_")
    ]
    assert found == []


def test_file_names_say_what_is_inside():
    folders = [ROOT / name for name in ("pag_tf", "scripts", "tools", "tests", "benchmarks")]
    found = [
        str(path.relative_to(ROOT))
        for path in python_files(*folders)
        if SAYS_NOTHING & set(path.relative_to(ROOT).with_suffix("").parts)
    ]
    assert found == []
