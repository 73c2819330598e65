"""Stages run once, and again when something that they depend on or left behind has changed."""

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def stages():
    """scripts/stages.py as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield importlib.import_module("stages")
        sys.modules.pop("stages")


@pytest.fixture
def line(stages, tmp_path):
    """Two stages that copy a text: source -> middle -> end, each adding a letter."""
    program = tmp_path / "copy.py"
    program.write_text(
        "import pathlib, sys\n"
        "text = pathlib.Path(sys.argv[1]).read_text()\n"
        "if text.startswith('bad'): raise SystemExit(3)\n"
        "if text: pathlib.Path(sys.argv[2]).write_text(text + sys.argv[3])\n"
    )
    source, middle, end = (tmp_path / name for name in ("source", "middle", "end"))
    source.write_text("x")

    def stage(name, read, written, letter):
        return stages.Stage(
            name, (str(program), str(read), str(written), letter), (read,), (written,)
        )

    return [stage("first", source, middle, "a"), stage("second", middle, end, "b")], tmp_path


def done(seconds):
    return [name for name, taken in seconds.items() if taken is not None]


def run(stages, line, version="1"):
    return stages.run(line[0], line[1] / "stamps", version=version)


def test_stages_run_in_order_and_then_have_nothing_to_do(stages, line, capfd):
    first = run(stages, line)
    assert done(first) == ["first", "second"]
    assert (line[1] / "end").read_text() == "xab"
    assert f"[1/2] first: python {line[1] / 'copy.py'}" in capfd.readouterr().out
    assert run(stages, line) == {"first": None, "second": None}
    assert "[2/2] second: nothing to do" in capfd.readouterr().out


def test_another_input_runs_what_depends_on_it(stages, line):
    run(stages, line)
    (line[1] / "source").write_text("y")
    assert done(run(stages, line)) == ["first", "second"]
    assert (line[1] / "end").read_text() == "yab"


def test_an_input_that_gives_the_same_output_stops_there(stages, line):
    run(stages, line)
    (line[1] / "source").write_text("x")  # touched, not changed
    assert done(run(stages, line)) == []


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("other")])
def test_a_harmed_output_is_made_again(stages, line, harm):
    run(stages, line)
    harm(line[1] / "end")
    assert done(run(stages, line)) == ["second"]
    assert (line[1] / "end").read_text() == "xab"


def test_another_command_or_version_runs_again(stages, line):
    run(stages, line)
    changed = stages.dataclasses.replace(line[0][1], command=(*line[0][1].command[:3], "c"))
    assert done(run(stages, ([line[0][0], changed], line[1]))) == ["second"]
    assert (line[1] / "end").read_text() == "xac"
    assert done(run(stages, line, version="2")) == ["first", "second"]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"files": 3}'])
def test_a_damaged_stamp_is_no_stamp(stages, line, text):
    run(stages, line)
    (line[1] / "stamps" / "first.json").write_text(text)
    assert done(run(stages, line)) == ["first"]


def test_a_stage_that_fails_stops_the_run_and_keeps_what_is_done(stages, line):
    run(stages, line)
    (line[1] / "middle").write_text("bad")
    (line[1] / "source").write_text("x")
    stamp = line[1] / "stamps" / "first.json"
    document = json.loads(stamp.read_text())
    document["files"][str(line[1] / "middle")] = stages._sha256(line[1] / "middle")
    stamp.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"'second' ended with status 3.*start the same command"):
        run(stages, line)
    assert (line[1] / "end").read_text() == "xab"


def test_a_stage_that_writes_nothing_is_an_error(stages, line):
    (line[1] / "source").write_text("")
    with pytest.raises(ValueError, match="'first' ended without writing .*middle"):
        run(stages, line)
    assert not (line[1] / "stamps").exists()
