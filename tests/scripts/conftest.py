"""Scripts run inside the test process, which has imported TensorFlow already."""

import contextlib
import importlib
import importlib.util
import io
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from absl import app, flags

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def forgotten_flags():
    """Removes the flags that are defined inside, and parses none of them again."""
    defined = set(flags.FLAGS)
    try:
        yield
    finally:
        for flag in set(flags.FLAGS) - defined:
            delattr(flags.FLAGS, flag)
        flags.FLAGS.set_gnu_getopt(False)
        flags.FLAGS.unparse_flags()


@pytest.fixture(scope="module")
def load_script():
    """Returns a function that imports a program by its name, for one test module.

    A program is pag_tf/programs/<name>.py, scripts/<name>.py or tools/<name>.py.
    """

    def load(name):
        installed = f"pag_tf.programs.{name}"
        return importlib.import_module(installed if importlib.util.find_spec(installed) else name)

    with pytest.MonkeyPatch.context() as patch, forgotten_flags():
        for folder in ("tools", "scripts"):
            patch.syspath_prepend(str(ROOT / folder))
        yield load
        for path in (*ROOT.glob("tools/*.py"), *ROOT.glob("scripts/*.py")):
            sys.modules.pop(path.stem, None)


@pytest.fixture(scope="session")
def run_script():
    """Returns a function that runs `scripts/<name>.py` with arguments as the main program.

    It gives `status`, `stdout` and `stderr`, as `subprocess.run` does for a new interpreter.
    """

    def run(name, *arguments):
        path = str(ROOT / "scripts" / f"{name}.py")
        stdout, stderr, status = io.StringIO(), io.StringIO(), 0
        with pytest.MonkeyPatch.context() as patch, forgotten_flags():
            patch.syspath_prepend(str(ROOT / "scripts"))
            patch.setattr(sys, "argv", [path, *arguments])
            patch.setattr(app, "run", lambda main: main(flags.FLAGS([path, *arguments])))
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                try:
                    runpy.run_path(path, run_name="__main__")
                except SystemExit as end:  # Python prints a text and ends with status 1
                    status = 1 if isinstance(end.code, str) else end.code or 0
                    print(end.code, file=stderr)
        return SimpleNamespace(status=status, stdout=stdout.getvalue(), stderr=stderr.getvalue())

    return run
