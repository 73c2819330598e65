"""scripts/publish.py as people run it, against a test Hub."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub_client import point_client_at
from hub_server import HubServer

import pag_tf

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with HubServer() as server:
        point_client_at(server, monkeypatch, tmp_path / "hf-home", token="hf_write")
        yield server


def run(*arguments, status=0):
    finished = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "publish.py"), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == status, finished.stderr
    return finished.stdout + finished.stderr


def test_publishing_the_entry_of_a_run(hub, tmp_path):
    entry = pag_tf.zoo.list_models(dataset="shapes", eps=2 / 255)[0]
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    (run_folder / "entry").symlink_to(entry.folder)
    chosen = ("--repo_id=tester/mine", "--check_images=20")
    output = run(f"--run={run_folder}", *chosen, "--create", "--message=First")
    assert "holds: clean_accuracy: " in output and "found on 20" in output
    assert "published shapes-resnet-linf-2-255 as http" in output
    assert 'model = pag_tf.zoo.load("hf:tester/mine")' in output
    assert hub.store.repositories["tester/mine"].commit("main").title == "First"
    output = run(f"--run={entry.folder}", *chosen, "--dry_run", f"--output={tmp_path / 'look'}")
    assert "published nothing" in output
    assert (tmp_path / "look" / "README.md").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--run is needed"),
        (("--run=zoo/shapes-resnet-natural",), "namespace/name, got ''"),
        (("--run=no/such", "--repo_id=tester/x"), "is not a folder"),
    ],
)
def test_what_is_missing_is_said_in_one_line(hub, arguments, message):
    output = run(*arguments, status=1)
    assert message in output and "Traceback" not in output
