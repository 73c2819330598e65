"""Python inside tf.data pipelines, which a program can end while they are running.

A stream that is still referenced when a program ends goes on reading in TensorFlow's threads. Each
call into Python then waits for an interpreter that is gone, and TensorFlow waits for the call: the
program never ends (https://github.com/tensorflow/tensorflow/issues/21277; what mended it, pull
request 21319, leaves this race). So no call starts once the program ends, and the interpreter is
kept until those that had started are done.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

# Seconds: how long nothing must start before all is quiet, and how long that is waited for.
_QUIET, _PATIENCE = 0.1, 10.0

_ending = threading.Event()
_lock = threading.Lock()
_running = 0
_last_call = 0.0


def call(function: Callable[..., Any], inputs: Sequence[Any], output: Any) -> Any:
    """Calls a stateless function inside a pipeline, as `tf.numpy_function` does.

    Args:
        function: Arrays in, arrays out.
        inputs: Tensors.
        output: dtype, or list of dtypes, of what comes out.
    """
    import tensorflow as tf

    # AutoGraph would go through the function on every call, which takes longer than most calls.
    guarded = tf.autograph.experimental.do_not_convert(_guarded(function))
    return tf.numpy_function(guarded, inputs, output, stateful=False)


def _guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*arrays: Any) -> Any:
        global _running, _last_call
        with _lock:
            _last_call = time.monotonic()
            if _ending.is_set():
                raise StopIteration  # which TensorFlow does not report
            _running += 1
        try:
            return function(*arrays)
        finally:
            with _lock:
                _running -= 1

    return guarded


@atexit.register
def _wait_until_quiet() -> None:
    _ending.set()
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with _lock:
            if not _running and time.monotonic() - _last_call > _QUIET:
                return
        time.sleep(0.01)
