"""Damages a zoo folder in thousands of ways and loads each: the program of test_fuzz.py.

    python fuzz_loading.py FOLDER RECORDS WEIGHTS SEED LAST

loads RECORDS damaged `pag.json` and WEIGHTS damaged weight files, made of the files of FOLDER, and
prints a JSON object of counts. LAST is a file that holds the name of the case under way: where the
interpreter crashes it says on which. It runs in a process of its own, whose memory is limited.
"""

import collections
import contextlib
import copy
import faulthandler
import hashlib
import json
import os
import random
import resource
import string
import sys
import time
from pathlib import Path

import h5py
import keras
import numpy as np

from pag_tf import zoo
from pag_tf.zoo import keras_files, weights

RECORD, WEIGHTS = "pag.json", "model.weights.h5"
MOST_SECONDS, MOST_MEMORY = 30, 1 << 30
BUILT_ANEW = 40  # every so many cases nothing that was built before is used again
FORBIDDEN = {
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"),
    *("socket.connect", "socket.getaddrinfo", "pickle.find_class"),
    *("os.rename", "os.link", "os.symlink", "os.truncate", "os.chmod"),
}
OF_TEMPORARY_FILES = {"os.mkdir", "os.remove", "os.rmdir"}

STRANGE = [
    *[None, True, False, 0, 1, -1, 2, 2**31, 2**63, 2**64, 10**6, 10**12, 10**400],
    *[0.5, -0.0, 1e308, 5e-324, -1e9, 1.0000001],
    *["", " ", "a", "A", "\0", "\x1b[2J", "\x1b]0;x\x07", "\ud800", "\u202e", "ﬁ", "名", "\n"],
    *["../x", "/etc/passwd", "a/b", "..", "~", "C:\\x", "x\0.h5", "hf:a/b", "x" * 100_000],
    *["1e999999999/1", "0/0", "linf:nan", "l2:1e9999", "resnet50", "vgg16", "wide_resnet"],
    *[[], {}, [[]], [None], [1] * 10_000, [True], {"": None}, {"a": {"b": []}}, [{}] * 1000],
    *[[8, 16, 32], [1, 1, 1], [65536, 65536, 3], [0.5, 0.5, 0.5], [8192] * 8, [16] * 8],
]
# As text, since json.dumps writes none of them.
STRANGE_TEXT = [
    *["NaN", "Infinity", "-Infinity", "1e400", "-", "01", "1.", "'a'", "nul", '"\\x"', '"\\ud800"'],
    *["9" * 5000, "[" * 100_000, "[" * 900 + "]" * 900, '{"a":' * 300 + "1" + "}" * 300],
]


def places(value, found=None):
    """Every (container, key) of a JSON value."""
    found = [] if found is None else found
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in items:
        found.append((value, key))
        if isinstance(child, (dict, list)):
            places(child, found)
    return found


def near(value, rng):
    """A value that is almost the one there."""
    if isinstance(value, bool) or value is None:
        return rng.choice([not value, int(bool(value)), str(value).lower()])
    if isinstance(value, (int, float)):
        nudged = [value + 1, value - 1, -value, value * 2, value * 10**6]
        return rng.choice([*nudged, value * 1.0 if value < 1e300 else 0.5, str(value), [value]])
    if isinstance(value, str):
        other = rng.choice(string.printable + "\0\x1b\u202e")
        at = rng.randrange(len(value) + 1)
        return rng.choice([value[:at] + other + value[at:], value[:at], value.upper(), [value]])
    if isinstance(value, list):
        many = value * (1000 if len(value) < 100 else 2)
        return rng.choice([value * 2, value[:-1], value[::-1], many, {"0": value}])
    return rng.choice([[value], list(value), {**value, "more": value}])


def damaged_bytes(data, rng, positions=None):
    """Bits flipped, bytes replaced, the end cut off, a piece zeroed, doubled or moved."""
    data, kind = bytearray(data), rng.randrange(8)
    position = rng.choice(positions) if positions else rng.randrange(len(data))
    if kind < 3:
        data[position] ^= 1 << rng.randrange(8)
    elif kind == 3:
        for _ in range(rng.randrange(2, 20)):
            data[rng.choice(positions) if positions else rng.randrange(len(data))] = (
                rng.getrandbits(8)
            )
    elif kind == 4:
        del data[position:]
    elif kind == 5:
        length = rng.choice([8, 64, 512, 4096])
        data[position : position + length] = bytes(len(data[position : position + length]))
    elif kind == 6:
        source, length = rng.randrange(len(data)), rng.choice([1, 8, 64])
        data[position : position + length] = data[source : source + length]
    else:
        data += rng.randbytes(rng.choice([1, 8, 4096])) if rng.random() < 0.7 else data[:position]
    return bytes(data)


def damaged_record(record, rng):
    """One to three changes to the values of a record; now and then a name twice."""
    raw, mark = copy.deepcopy(record), "@strange@"
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        container, key = rng.choice(places(raw) or [({"": None}, "")])
        kind = rng.randrange(8)
        if kind < 3:
            container[key] = copy.deepcopy(rng.choice(STRANGE))
        elif kind < 5:
            container[key] = near(container[key], rng)
        elif kind == 5:
            container[key] = mark
        elif kind == 6:
            del container[key]
        elif isinstance(container, dict):
            container[str(near(key, rng)) if rng.random() < 0.5 else "extra"] = container[key]
    text = json.dumps(raw, indent=rng.choice([None, 2]))
    text = text.replace(f'"{mark}"', rng.choice(STRANGE_TEXT))
    if rng.random() < 0.05:
        text = text.replace('"id"', '"id": 1, "id"')
    return text.encode()


class Watch:
    """Notes what Python does that loading must not do: processes, sockets, files elsewhere."""

    def __init__(self, *allowed):
        self.allowed = tuple(f"{os.path.realpath(folder)}{os.sep}" for folder in allowed)
        self.on, self.seen = False, []
        sys.addaudithook(self._event)

    def _event(self, event, arguments):
        if self.on and (
            event in FORBIDDEN
            or (event == "open" and self._writes(*arguments))
            or (event in OF_TEMPORARY_FILES and not self._inside(arguments[0], arguments[-1]))
        ):
            self.seen.append((event, str(arguments)))

    def _writes(self, path, mode, flags):
        for_writing = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        return bool(for_writing) and not (isinstance(path, int) or self._inside(path, -1))

    def _inside(self, path, folder):
        base = os.readlink(f"/proc/self/fd/{folder}") if folder >= 0 else ""
        return os.path.realpath(os.path.join(base, os.fsdecode(path))).startswith(self.allowed)

    @contextlib.contextmanager
    def __call__(self):
        self.on = True
        try:
            yield
        finally:
            self.on = False


class Memory:
    """Models that were built before, with their weights gone, to load thousands in a minute."""

    def __init__(self):
        self.models, self.variables = {}, {}
        self.build, self.expect = keras_files.build, weights.expected_variables

    def use(self, used):
        keras_files.build = self._build if used else self.build
        weights.expected_variables = self._expected if used else self.expect

    def _build(self, entry):
        key = repr(entry.architecture)
        if key not in self.models:
            self.models[key] = self.build(entry)
        model = self.models[key]
        model.name = entry.id
        model.set_weights([np.zeros_like(value) for value in model.get_weights()])
        return model

    def _expected(self, model):
        if id(model) not in self.variables:
            self.variables[id(model)] = self.expect(model)
        return self.variables[id(model)]


class Folder:
    """The zoo folder whose files are damaged, and what a loaded model has to hold."""

    def __init__(self, path):
        self.path = path
        self.text, self.file = (path / RECORD).read_bytes(), (path / WEIGHTS).read_bytes()
        self.record = json.loads(self.text)
        loaded = zoo.load(path).get_weights()
        self.names, self.metadata = [None] * len(loaded), []
        with h5py.File(path / WEIGHTS) as file:
            arrays = {name: file[name] for name in weights.stored_variables(path / WEIGHTS)}
            for name, array in arrays.items():
                index = next(i for i, v in enumerate(loaded) if np.array_equal(v, array[...]))
                assert self.names[index] is None
                self.names[index] = name
            values = set()
            for array in arrays.values():
                start = array.id.get_offset()
                values |= set(range(start, start + array.id.get_storage_size()))
        # Most damage goes where it has consequences: not into the values, nor into unused space.
        self.metadata = [i for i, byte in enumerate(self.file) if byte and i not in values]

    def write(self, text, file):
        (self.path / RECORD).write_bytes(text)
        if file is not None:
            (self.path / WEIGHTS).write_bytes(file)

    def resealed(self, file):
        raw = copy.deepcopy(self.record)
        raw["weights"].update(sha256=hashlib.sha256(file).hexdigest(), bytes=len(file))
        return json.dumps(raw).encode()

    def arrays(self):
        with h5py.File(self.path / WEIGHTS) as file:
            return [file[name][...] for name in self.names]


def damage(folder, kind, rng):
    if kind == "record":
        if rng.random() < 0.4:
            text = damaged_bytes(folder.text, rng)
        else:
            text = damaged_record(folder.record, rng)
        folder.write(text, None)
        return "record"
    positions = folder.metadata if rng.random() < 0.9 else None
    file = folder.file
    while file == folder.file:  # a piece may be replaced by one that is the same
        file = damaged_bytes(folder.file, rng, positions) or b"\0"
    sealed = rng.random() < 0.9
    folder.write(folder.resealed(file) if sealed else folder.text, file)
    return "resealed weights" if sealed else "weights"


def outcome(folder, watch):
    """Loads; returns what came of it, after checking that it is a good answer."""
    try:
        with watch():
            model = zoo.load(folder.path)
    except (ValueError, OSError) as error:
        message = str(error)
        assert message and message.isprintable(), repr(message)
        assert len(message) < 4000, len(message)
        return "refused"
    for found, expected in zip(model.get_weights(), folder.arrays(), strict=True):
        assert found.tobytes() == expected.tobytes(), "weights are not those of the file"
    return "loaded"


def limit_memory():
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main(path, records, weight_files, seed, last):
    folder, memory, counts = Folder(Path(path)), Memory(), collections.Counter()
    watch, slowest, start = Watch(os.environ["TMPDIR"]), 0.0, time.perf_counter()
    if sys.platform == "linux":
        limit_memory()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for kind, number in (("record", int(records)), ("weights", int(weight_files))):
        folder.write(folder.text, folder.file)
        for index in range(number):
            name = f"{seed} {kind} {index}"
            Path(last).write_text(name)
            what = damage(folder, kind, random.Random(name))
            memory.use(index % BUILT_ANEW > 0)
            faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
            begin = time.perf_counter()
            counts[f"{what} {outcome(folder, watch)}"] += 1
            slowest = max(slowest, time.perf_counter() - begin)
            assert not watch.seen, watch.seen
    faulthandler.cancel_dump_traceback_later()
    Path(last).write_text("")
    return {
        "counts": dict(sorted(counts.items())),
        "models built": len(memory.models),
        "slowest case in seconds": round(slowest, 2),
        "seconds": round(time.perf_counter() - start, 1),
        "seconds of processor": round(time.process_time(), 1),
        "growth of peak memory in MiB": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak)
        // (1024 if sys.platform == "linux" else 1 << 20),
    }


if __name__ == "__main__":
    assert keras.backend.backend()
    print(json.dumps(main(*sys.argv[1:])))
