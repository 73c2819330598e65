"""What the README says is true: its snippets run, its commands exist, its table is the zoo's."""

import importlib.util
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


def script_module(name: str):
    """scripts/<name>.py as a module; it defines no flags when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        path = ROOT / "scripts" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, spec.name, module)  # dataclasses looks annotations up there
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def readme_table():
    yield from script_module("readme_table")


@pytest.fixture(scope="module")
def results_page():
    yield from script_module("results_page")


def test_the_table_is_the_one_that_the_script_prints(readme_table):
    block = readme_table.table()
    assert readme_table.markdown_blocks.insert(README, "models", block) == README, (
        "the table is out of date: python scripts/readme_table.py --readme=README.md"
    )


def test_the_table_has_every_number_and_every_command(readme_table, monkeypatch):
    measured = {"images": 2000, "command": "python scripts/evaluate.py --eps=2/255"}
    metrics = (
        pag_tf.zoo.Metric(name="clean_accuracy", value=0.9425, correct=1885, **measured),
        pag_tf.zoo.Metric(
            name="robust_accuracy",
            value=0.81,
            attack="PGD(linf:2/255, steps=50, step_size=0.000392, restarts=2, seed=0)",
            threat_model="linf:2/255",
            **measured,
        ),
    )
    entry = pag_tf.zoo.Entry(
        id="shapes-resnet-linf-2-255",
        dataset="shapes",
        threat="linf:2/255",
        architecture=pag_tf.zoo.Architecture(
            name="resnet", num_classes=1, image_shape=(8, 8, 3), options={}
        ),
        class_names=("disc",),
        metrics=metrics,
        training={},
        license="apache-2.0",
        weights_sha256="0" * 64,
        weights_bytes=1_234_567,
        folder=Path("zoo"),
    )
    monkeypatch.setattr(pag_tf.zoo, "list_models", lambda: (entry,))
    lines = readme_table.table().splitlines()
    assert lines[2] == (
        "| `shapes-resnet-linf-2-255` | `linf:2/255` | 1.2 MB | 2,000 | 94.25 % "
        "| 81.00 % (PGD-50, 2 restarts, linf:2/255) |"
    )
    assert lines[-3:] == ["```bash", "python scripts/evaluate.py --eps=2/255", "```"]
    monkeypatch.setattr(pag_tf.zoo, "list_models", lambda: ())
    assert readme_table.table() == "No models yet: train one, see below."


def test_a_block_goes_between_its_markers_and_nowhere_else(readme_table):
    insert = readme_table.markdown_blocks.insert
    begin, end = "<!-- some -->", "<!-- /some -->"
    assert insert(f"a\n{begin}\nold\n{end}\nb", "some", "new") == f"a\n{begin}\nnew\n{end}\nb"
    for text in ("no markers", f"{begin} only", f"{end} before {begin}", f"{begin}{begin}{end}"):
        with pytest.raises(ValueError, match="needs <!-- some --> and after it <!-- /some -->, ea"):
            insert(text, "some", "new")


def test_the_results_are_those_that_were_measured(results_page):
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    found = results_page.blocks(ROOT / "docs" / "results")
    assert "tiny_imagenet" in found
    for name, block in found.items():
        text_with_block = results_page.markdown_blocks.insert(text, name, block)
        assert text_with_block == text, "out of date: python scripts/results_page.py"


def test_results_of_another_data_set_are_refused(results_page, tmp_path):
    with pytest.raises(ValueError, match="holds no <data set>/<name>/result.json"):
        results_page.blocks(tmp_path)
    (tmp_path / "cub" / "x").mkdir(parents=True)
    (tmp_path / "cub" / "x" / "result.json").write_text('{"config": {"dataset": "shapes"}}')
    with pytest.raises(ValueError, match="is a result on shapes, expected cub"):
        results_page.blocks(tmp_path)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_the_grid_has_the_numbers_that_the_script_prints(tmp_path):
    if not pag_tf.zoo.list_models():
        pytest.skip("the zoo has no models")
    printed = run_script("scripts/phase_figure.py", f"--output={tmp_path}")
    (shown,) = [block for block in blocks("text") if "over pixel phases" in block]
    numbers = [[float(n) for n in re.findall(r": (\d\.\d+)", text)] for text in (shown, printed)]
    assert len(numbers[0]) == 9
    assert numbers[1] == pytest.approx(numbers[0], abs=0.0015)
    assert {path.name for path in tmp_path.iterdir()} == {"phase_plain.png", "phase_even.png"}
