"""What the README says is true: its snippets run, its commands exist, its table is the zoo's."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import pag_tf

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ABSL_FLAGS = {"flagfile", "help", "helpfull"}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """The command lines of the README's shell blocks, without comments, as words."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def snippets():
    for number, code in enumerate(blocks("python"), 1):
        real = [pytest.mark.realdata] if 'data.load("cifar10"' in code else []
        yield pytest.param(code, marks=real, id=f"snippet{number}")


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
@pytest.mark.parametrize("code", snippets())
def test_snippet_runs(code, tmp_path, monkeypatch):
    if "zoo." in code and not pag_tf.zoo.list_models():
        pytest.skip("the zoo has no models")
    monkeypatch.chdir(tmp_path)  # some snippets write files
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_there_are_snippets_of_each_kind():
    python = "\n".join(blocks("python"))
    for name in ("zoo.load(eps=2/255)", "AdversarialModel(", "robust_accuracy(", "data.load("):
        assert name in python
    assert len(blocks("python")) >= 5


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    used = set(re.findall(r"`make ([a-z]+)", README))
    used |= {words[1] for words in commands() if words[0] == "make"}
    assert {"demo", "test"} <= used <= targets


def test_every_path_exists():
    pattern = r"\b(?:scripts|docs|benchmarks|tests|pag_tf)/[\w./-]*\w"
    named = set(re.findall(pattern, README)) | set(re.findall(r"\]\(([^):]+)\)", README))
    assert {"scripts/train.py", "docs/demo.png", "CITATION.cff"} <= named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_every_flag_file_exists():
    if not pag_tf.zoo.list_models():
        pytest.skip("the zoo has no models")
    words = [word for line in commands() for word in line]
    named = [word.partition("=")[2] for word in words if word.startswith("--flagfile=")]
    assert named and all((ROOT / path).is_file() for path in named)


@pytest.mark.parametrize(
    "script", sorted({word for line in commands() for word in line if word.startswith("scripts/")})
)
def test_every_flag_exists(script):
    used = {
        word[2:].partition("=")[0]
        for line in commands()
        if script in line
        for word in line[line.index(script) + 1 :]
        if word.startswith("--")
    }
    # absl ends with status 1 after --help.
    known = set(re.findall(r"^ +--(?:\[no\])?(\w+):", run_script(script, "--help", status=1), re.M))
    assert known and used <= known | ABSL_FLAGS


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_grid_has_the_numbers_that_the_script_prints(tmp_path):
    if not pag_tf.zoo.list_models():
        pytest.skip("the zoo has no models")
    printed = run_script("tools/phase_figure.py", f"--output={tmp_path}")
    (shown,) = [block for block in blocks("text") if "over pixel phases" in block]
    numbers = [[float(n) for n in re.findall(r": (\d\.\d+)", text)] for text in (shown, printed)]
    assert len(numbers[0]) == 9
    assert numbers[1] == pytest.approx(numbers[0], abs=0.0015)
    assert {path.name for path in tmp_path.iterdir()} == {"phase_plain.png", "phase_even.png"}
