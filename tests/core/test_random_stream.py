"""Random streams: a pure function of seed, step and draw, uniform, independent, compiled or not."""

import numpy as np
import pytest
from keras import ops
from scipy import stats

from pag_tf.core.random_stream import RandomStream


def draw(seed, step, draws=1):
    random = RandomStream(seed, step)
    return [ops.convert_to_numpy(random.uniform((4,))).tolist() for _ in range(draws)]


def test_random_stream_is_a_pure_function_of_its_two_numbers():
    assert draw(3, 7, draws=2) == draw(3, 7, draws=2)
    assert draw(3, 7) == draw(3, np.int64(7)) == draw(3, ops.convert_to_tensor(7))


def test_random_stream_gives_other_numbers_for_every_seed_step_and_draw():
    numbers = draw(3, 7, draws=2) + draw(3, 8, draws=2) + draw(4, 7, draws=2)
    assert len({number for four in numbers for number in four}) == 24


def test_random_stream_equals_its_definition():
    def mix(x):
        x = np.uint32((x ^ (x >> 16)) * 0x7FEB352D & 0xFFFFFFFF)
        x = np.uint32((int(x) ^ (int(x) >> 15)) * 0x846CA68B & 0xFFFFFFFF)
        return int(x) ^ (int(x) >> 16)

    seed, step, draws = 3, 7, 2
    random = RandomStream(seed, step)
    random.uniform((1,))
    random.uniform((1,))
    drawn = ops.convert_to_numpy(random.uniform((2, 3), -1.0, 3.0))
    keys = [int(k) for k in np.random.SeedSequence([seed, draws]).generate_state(2)]
    expected = []
    for counter in range(6):
        bits = mix(counter ^ mix((step + keys[0]) % 2**32))
        bits = mix((bits + mix(step ^ keys[1])) % 2**32)
        expected.append(-1 + 4 * (bits >> 8) / 2**24)
    np.testing.assert_allclose(drawn.ravel(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("by", ["index", "step", "seed", "draw"])
def test_random_numbers_are_uniform_and_independent(by):
    if by == "index":
        numbers = ops.convert_to_numpy(RandomStream(1, 0).uniform((200, 10)))
    elif by == "draw":
        random = RandomStream(1, 0)
        numbers = np.stack([ops.convert_to_numpy(random.uniform((10,))) for _ in range(200)])
    else:
        pairs = [(n, 0) if by == "seed" else (0, n) for n in range(200)]
        streams = [RandomStream(*pair) for pair in pairs]
        numbers = np.stack([ops.convert_to_numpy(s.uniform((10,))) for s in streams])
    assert numbers.dtype == np.float32
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers.ravel(), "uniform").pvalue > 0.01
    # Neither neighbors in a draw nor neighboring draws tell anything about each other.
    for axis in (0, 1):
        first, second = (np.delete(numbers, end, axis).ravel() for end in (-1, 0))
        assert stats.spearmanr(first, second).pvalue > 0.01


def test_normal_numbers():
    numbers = ops.convert_to_numpy(RandomStream(1, 0).normal((2000,)))
    assert stats.kstest(numbers, "norm").pvalue > 0.01


@pytest.mark.tensorflow
@pytest.mark.parametrize("jit_compile", [True, False])
def test_random_numbers_are_the_same_compiled_with_a_traced_step(jit_compile):
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile)
    def traced(step):
        random = RandomStream(3, step)
        return random.uniform((4,)), random.normal((4,))

    for step in (7, 8):
        random = RandomStream(3, step)
        uniform, normal = traced(tf.constant(step, tf.int64))
        assert np.array_equal(uniform, random.uniform((4,)))
        np.testing.assert_allclose(normal, random.normal((4,)), atol=1e-6)
