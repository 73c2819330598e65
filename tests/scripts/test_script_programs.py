"""The programs as they are called: `--help` names every flag, errors are one line."""

import ast
import dataclasses
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [
    path
    for folder in ("scripts", "tools")
    for path in sorted((ROOT / folder).glob("*.py"))
    if "__main__" in path.read_text("utf-8")
]


def call(script, *arguments):
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def configs_of(script):
    """The dataclasses that the script hands to `dataclass_flags.define`."""
    tree = ast.parse(script.read_text("utf-8"))
    names = [
        node.args[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "dataclass_flags.define"
    ]
    assert names
    return [config_of(name, script, tree) for name in names]


def config_of(name, script, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return getattr(importlib.import_module(node.module), name)
    spec = importlib.util.spec_from_file_location(f"{script.stem}_of_tests", script)
    module = importlib.util.module_from_spec(spec)
    defined = set(flags.FLAGS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(script.parent))
        patch.setitem(sys.modules, spec.name, module)  # dataclasses looks annotations up there
        spec.loader.exec_module(module)
    for flag in set(flags.FLAGS) - defined:  # other tests may define theirs
        delattr(flags.FLAGS, flag)
    return getattr(module, name)


def test_there_are_scripts():
    assert {"train.py", "evaluate.py", "localize.py", "demo.py"} <= {
        script.name for script in SCRIPTS
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_explains_every_flag(script):
    finished = call(script, "--help")
    assert finished.returncode in (0, 1), finished.stderr  # absl ends with 1
    assert "Traceback" not in finished.stderr
    # absl breaks lines inside a text.
    shown = " ".join(finished.stdout.split())
    for field in (f for config in configs_of(script) for f in dataclasses.fields(config)):
        assert re.search(rf"--(\[no\])?{field.name}: ", shown), field.name
        text = " ".join(field.metadata["help"].split())
        assert text in shown, field.name
    docstring = ast.get_docstring(ast.parse(script.read_text("utf-8")))
    assert docstring.splitlines()[0] in finished.stdout


def test_an_error_is_one_line_and_a_status(tmp_path):
    # The script that starts fastest: all of them go through `dataclass_flags.run`.
    finished = call(ROOT / "scripts" / "demo.py", "--images=0", f"--output={tmp_path / 'out'}")
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr.splitlines()[-1] == "error: images must be at least 1, got 0."
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "out").exists()
