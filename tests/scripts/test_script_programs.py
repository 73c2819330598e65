"""The programs as they are called: `--help` names every flag, errors are one line."""

import ast
import configparser
import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pag_tf
from pag_tf.measure import ZeroShotConfig

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = [
    path
    for folder in ("scripts", "tools")
    for path in sorted((ROOT / folder).glob("*.py"))
    if "__main__" in path.read_text("utf-8")
]
# What takes seconds to import and no script may need before it knows its flags.
HEAVY = ("tensorflow", "keras", "jax", "matplotlib", "scipy", "cv2", "gradio")

# One interpreter for all scripts: each runs in a fork of it, which has imported nothing of pag_tf.
HELP = f"""
import json, os, runpy, sys, traceback
for script in sys.argv[2:]:
    if os.fork():
        os.wait()
        continue
    place = os.path.join(sys.argv[1], os.path.basename(script))
    for descriptor, ending in ((1, ".stdout"), (2, ".stderr")):
        os.dup2(os.open(place + ending, os.O_CREAT | os.O_WRONLY), descriptor)
    sys.argv, sys.path[0] = [script, "--help"], os.path.dirname(script)
    status = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
        status = "error"
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    with open(place + ".json", "w") as file:
        json.dump({{"status": status, "heavy": heavy}}, file)
    sys.stdout.flush()
    os._exit(0)
"""


@pytest.fixture(scope="module")
def helps(tmp_path_factory):
    """Each script's answer to `--help`: `status`, `heavy` imports, `stdout` and `stderr`."""
    folder = tmp_path_factory.mktemp("helps")
    subprocess.run(
        [sys.executable, "-c", HELP, str(folder), *map(str, SCRIPTS)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=300,
    )
    return {
        script: json.loads((folder / f"{script.name}.json").read_text())
        | {n: (folder / f"{script.name}.{n}").read_text("utf-8") for n in ("stdout", "stderr")}
        for script in SCRIPTS
    }


def program(script):
    """The file that a script starts: itself, or one of the same name that is installed."""
    installed = ROOT / "pag_tf" / "programs" / script.name
    return installed if installed.exists() else script


def configs_of(script, load_script):
    """The dataclasses that the script hands to `dataclass_flags.define`."""
    tree = ast.parse(program(script).read_text("utf-8"))
    names = [
        argument.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "dataclass_flags.define"
        for argument in node.args
    ]
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for name in {alias.name for alias in node.names} & set(names):
                found[name] = getattr(importlib.import_module(node.module), name)
        elif isinstance(node, ast.ClassDef) and node.name in names:
            found[node.name] = getattr(load_script(script.stem), node.name)
    assert names and set(found) == set(names)
    return list(found.values())


def test_there_are_scripts():
    assert {"train.py", "evaluate.py", "localize.py", "demo.py"} <= {
        script.name for script in SCRIPTS
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_explains_every_flag(script, helps, load_script):
    found = helps[script]
    assert found["status"] in (0, 1), found["stderr"]  # absl ends with 1
    assert "Traceback" not in found["stderr"]
    # absl breaks lines inside a text.
    shown = " ".join(found["stdout"].split())
    fields = [f for config in configs_of(script, load_script) for f in dataclasses.fields(config)]
    assert fields
    for name in {field.name for field in fields}:
        assert re.search(rf"--(\[no\])?{name}: ", shown), name
        # Two dataclasses may share a flag, which has the text of one of them.
        texts = [" ".join(f.metadata["help"].split()) for f in fields if f.name == name]
        assert any(text in shown for text in texts), name
    docstring = ast.get_docstring(ast.parse(program(script).read_text("utf-8")))
    assert docstring.splitlines()[0] in found["stdout"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_imports_nothing_heavy(script, helps):
    assert helps[script]["heavy"] == []


def test_each_installed_program_is_a_command_and_a_script():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].split("\n")
    commands = dict(line.split(" = ") for line in lines if line)
    for name in ("align", "evaluate", "explain", "localize", "publish", "report", "train"):
        assert commands.pop(f"pag-{name}") == f"pag_tf.programs.{name}:run"
    assert commands == {"pag-zero-shot": "pag_tf.programs.zero_shot:run"}
    found = {path.stem for path in SCRIPTS if "import run\n" in path.read_text("utf-8")}
    assert len(found) == 8
    assert {path.stem for path in SCRIPTS if program(path) != path} == found


def test_the_version_is_printed_whatever_else_is_given():
    finished = subprocess.run(
        [sys.executable, ROOT / "scripts/train.py", "--version", "--no_such_flag"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert finished.stdout == f"pag_tf {pag_tf.__version__}\n"


def test_an_error_is_one_line_and_a_status(tmp_path):
    # The script that starts fastest: all of them go through `dataclass_flags.run`.
    finished = subprocess.run(
        [sys.executable, ROOT / "scripts/demo.py", "--images=0", f"--output={tmp_path / 'out'}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr.splitlines()[-1] == "error: images must be at least 1, got 0."
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "out").exists()


def test_scripts_expand_the_home_folder(load_script, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine.flags").write_text("--epochs=3\n")
    demo, reproduce, publish, zero_shot = map(
        load_script, ("demo", "reproduce", "publish", "zero_shot")
    )
    config = demo.DemoConfig(dataset="shapes", output="~/demo")
    assert config.documents == tmp_path / "demo" / demo.DOCUMENTS / "shapes"
    assert reproduce.ReproduceConfig(output="~/all").folder == tmp_path / "all"
    recipe = reproduce._recipe(reproduce.ReproduceConfig(recipe="~/mine.flags"), None)
    assert recipe == tmp_path / "mine.flags"
    with publish._folder(publish.PublishConfig(run="~/mine")) as folder:
        assert folder == tmp_path / "mine"
    assert publish._output(publish.PublishConfig(output="~/look")) == tmp_path / "look"
    choice = zero_shot.TrainingChoice(
        dataset="shapes", recipe="~/mine.flags", class_split="combinations"
    )
    with pytest.raises(ValueError, match=f"{recipe} trains on .* without attributes"):
        zero_shot.training_config(choice, ZeroShotConfig())
