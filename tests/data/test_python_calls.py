"""A program may end while a stream is being read: it does end, and says nothing of it."""

import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.tensorflow

READ = """
    import numpy as np
    import pag_tf

    stream, _ = pag_tf.data.batches("shapes", "train", batch_size=128, seed=0)
    iterator = iter(stream)  # alive until the interpreter is gone
    images, _ = next(iterator)
    print(images.shape)
"""


def test_a_program_ends_in_the_middle_of_a_stream():
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READ)],
        capture_output=True,
        text=True,
        timeout=240,  # it never ended
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.strip() == "(128, 64, 64, 3)"
    assert "Traceback" not in finished.stderr


def test_no_call_starts_at_the_end(monkeypatch):
    from pag_tf.data import python_calls

    calls = []
    guarded = python_calls._guarded(lambda value: calls.append(value) or value)
    assert guarded(1) == 1
    monkeypatch.setattr(python_calls, "_ending", python_calls.threading.Event())
    python_calls._wait_until_quiet()
    with pytest.raises(StopIteration):
        guarded(2)
    assert calls == [1]


def test_a_call_that_fails_is_over_all_the_same():
    from pag_tf.data import python_calls

    def fails(_):
        raise KeyError("of the reader")

    with pytest.raises(KeyError, match="of the reader"):
        python_calls._guarded(fails)(0)
    assert python_calls._running == 0
