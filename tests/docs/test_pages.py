"""What the pages say is true: their snippets run, their commands, flags and files exist."""

import os
import re
import subprocess
import sys

import pytest
from pages import PAGES, ROOT, blocks, commands

import pag_tf
from pag_tf.data.readers import READERS

README = (ROOT / "README.md").read_text(encoding="utf-8")
ABSL_FLAGS = {"flagfile", "help", "helpfull"}
COMMANDS = commands()
SCRIPTS = sorted({word for line in COMMANDS for word in line if word.startswith("scripts/")})


def snippets():
    for block in blocks("python"):
        if block.runs and block.page != "CONTRIBUTING.md":  # see test_contributing.py
            real = [pytest.mark.realdata] if 'data.load("cifar10"' in block.code else []
            yield pytest.param(block, marks=real, id=f"{block.page}-{block.number}")


def run_script(script: str, *arguments: str, status: int = 0) -> str:
    finished = subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == status, finished.stderr
    return finished.stdout


@pytest.mark.tensorflow
@pytest.mark.parametrize("block", snippets())
def test_snippet_runs(block, tmp_path, monkeypatch):
    if "zoo." in block.code and not pag_tf.zoo.list_models():
        pytest.skip("the zoo has no models")
    monkeypatch.chdir(tmp_path)  # some snippets write files
    pag_tf.data.names(offering="box")  # imports all readers: what a snippet adds is forgotten
    monkeypatch.setattr(READERS, "_things", dict(READERS._things))
    exec(compile(block.code, block.page, "exec"), {"__name__": "page"})


def test_there_are_snippets_of_each_kind():
    python = "\n".join(block.code for block in blocks("python") if block.runs)
    for name in ("zoo.load(eps=2/255)", "AdversarialModel(", "robust_accuracy(", "data.load("):
        assert name in python
    assert len([block for block in blocks("python") if block.runs]) >= 10
    assert len([block for block in blocks("python") if block.page == "README.md"]) >= 2


def test_the_readme_is_short():
    assert len(README.split()) <= 1200


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    used = {words[1] for words in COMMANDS if words[0] == "make"}
    used |= {name for path in PAGES for name in re.findall(r"`make ([a-z]+)", path.read_text())}
    assert {"demo", "test", "docs"} <= used <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_path_exists(page):
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:scripts|tools|docs|benchmarks|tests|recipes)/[\w./-]*\w", text))
    missing = [path for path in sorted(named) if not (ROOT / path).exists()]
    missing += [
        path
        for path in sorted(set(re.findall(r"\]\(([^):#]+)(?:#[\w-]*)?\)", text)))
        if not (page.parent / path).exists()
    ]
    assert missing == []


def test_the_readme_names_what_a_reader_needs():
    named = set(re.findall(r"\b(?:scripts|docs)/[\w./-]*\w", README))
    named |= set(re.findall(r"\]\(([^):]+)\)", README))
    assert {"scripts/train.py", "docs/demo_cifar10.png", "CITATION.cff", "CHANGELOG.md"} <= named


def test_every_flag_file_exists():
    if not pag_tf.zoo.list_models():
        pytest.skip("the zoo has no models")
    words = [word for line in COMMANDS for word in line]
    named = [word.partition("=")[2] for word in words if word.startswith("--flagfile=")]
    assert named and all((ROOT / path).is_file() for path in named)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_flag_exists(script):
    used = {
        word[2:].partition("=")[0]
        for line in COMMANDS
        if script in line
        for word in line[line.index(script) + 1 :]
        if word.startswith("--")
    }
    # absl ends with status 1 after --help.
    known = set(re.findall(r"^ +--(?:\[no\])?(\w+):", run_script(script, "--help", status=1), re.M))
    known |= {f"no{name}" for name in known}
    assert known and used <= known | ABSL_FLAGS


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_grid_has_the_numbers_that_the_program_prints(tmp_path):
    if not pag_tf.zoo.list_models():
        pytest.skip("the zoo has no models")
    printed = run_script("tools/phase_figure.py", f"--output={tmp_path}")
    (shown,) = [block.code for block in blocks("text") if "over pixel phases" in block.code]
    numbers = [[float(n) for n in re.findall(r": (\d\.\d+)", text)] for text in (shown, printed)]
    assert len(numbers[0]) == 9
    assert numbers[1] == pytest.approx(numbers[0], abs=0.0015)
    assert {path.name for path in tmp_path.iterdir()} == {"phase_plain.png", "phase_even.png"}
