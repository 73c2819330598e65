"""The wheel: small, without the repository's other folders, and able to load a model by itself."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pag_tf

REPOSITORY = Path(__file__).parents[1]
LARGEST_WHEEL = 15_000_000  # bytes

LOAD = """
import pathlib, sys
import pag_tf
here = pathlib.Path(pag_tf.__file__).resolve()
assert here.is_relative_to(pathlib.Path(sys.argv[1]).resolve()), here
for entry in pag_tf.zoo.list_models():
    model = pag_tf.zoo.load(entry.folder)
    print(entry.id, model.count_params())
print(len(pag_tf.data.class_split("shapes").unseen), "unseen classes of shapes")
"""

# Each command in a fork, as a process has one set of flags.
COMMANDS = """
import importlib.metadata, os, sys
for command in importlib.metadata.distribution("pag_tf").entry_points:
    print(command.name, end=" ", flush=True)
    if os.fork():
        os.wait()
        continue
    sys.argv = [command.name, "--version"]
    command.load()()
from pag_tf.programs import recipes
print(*sorted(file.name for file in recipes.FOLDER.iterdir()))
print(recipes.FOLDER)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(source)], check=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--quiet", "--wheel-dir", str(folder), str(source)], check=True, timeout=300
    )
    (built,) = folder.glob("pag_tf-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Returns a function that runs a program where the wheel is, and the repository is not."""
    folder = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(folder)

    def run(program):
        done = subprocess.run(
            [sys.executable, "-c", program, str(folder)],
            cwd=folder.parent,
            env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.replace(str(folder), "<installed>")

    return run


def test_is_small_and_holds_the_library_and_its_models_only(wheel):
    assert wheel.stat().st_size < LARGEST_WHEEL
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"pag_tf"}
    entries = {name.split("/")[3] for name in names if name.startswith("pag_tf/zoo/entries/")}
    tracked = subprocess.run(
        ["git", "ls-files", "zoo"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    named = {line.split("/")[1] for line in tracked.stdout.splitlines()}
    # Larger models, of other data sets, stay in the repository.
    assert entries == {name for name in named if name.startswith(("cifar10-", "shapes-"))}
    assert {name.split("-")[0] for name in entries} == {"cifar10", "shapes"}
    assert "pag_tf/py.typed" in names
    # Tables are of use with their license only, and code with its tables.
    data = {name.removeprefix("pag_tf/data/") for name in names if name.startswith("pag_tf/data/")}
    assert {name for name in data if not name.endswith(".py")} == {
        "class_splits.json",
        "readers/tiny_imagenet/WORDNET-LICENSE.txt",
        "readers/tiny_imagenet/hypernyms.json",
    }
    assert {f"pag_tf/report/page.{suffix}" for suffix in ("html", "css", "js")} <= set(names)
    assert len([name for name in names if "/licenses/" in name]) == 2
    # Cards are read on the Hub and in the repository: their pictures stay out.
    assert [name for name in names if name.endswith(".png")] == []


def test_loads_its_models_without_the_repository(installed):
    printed = installed(LOAD)
    assert "shapes-resnet-linf-2-255" in printed
    assert "15 unseen classes of shapes" in printed


def test_has_the_commands_and_their_recipes(installed):
    names = ("align", "evaluate", "explain", "localize", "publish", "report", "train", "zero-shot")
    recipes = sorted(path.name for path in (REPOSITORY / "recipes").glob("*.flags"))
    *commands, found, folder = installed(COMMANDS).splitlines()
    assert sorted(commands) == [f"pag-{name} pag_tf {pag_tf.__version__}" for name in names]
    assert found.split() == recipes and "zero_shot-shapes.flags" in recipes
    assert folder == "<installed>/pag_tf/programs/recipe_files"
