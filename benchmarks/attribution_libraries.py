"""The problem that attribution.py compares libraries on, and the calls of each library."""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import peer
import tensorflow as tf
import torch_comparison

import pag_tf
from pag_tf import explain

METHODS = ("vanilla_gradients", "smoothgrad", "integrated_gradients")
SIGMA = 0.15
"""Standard deviation of the noise of SmoothGrad, in pixel units."""
MAPS = "maps.npy"


@dataclasses.dataclass(frozen=True)
class Problem:
    """The input of every library."""

    model: Any
    images: Any
    targets: Any
    flags: argparse.Namespace

    def chunks(self, points: int) -> list[slice]:
        """Returns slices of images that form one batch if each image is evaluated at `points`."""
        size = max(1, self.flags.batch_size // points)
        return [slice(i, i + size) for i in range(0, self.flags.images, size)]


def random_problem(flags: argparse.Namespace) -> Problem:
    """Returns noise images and random targets, which need the same arithmetic as real ones."""
    keras.utils.set_random_seed(0)
    shape = (flags.size, flags.size, 3)
    options = {"widths": flags.widths, "blocks": [1] * len(flags.widths)}
    model = pag_tf.models.build("resnet", flags.classes, shape, **options)
    torch_comparison.randomize_norms(model)
    random = np.random.default_rng(0)
    images = random.random((flags.images, *shape), dtype=np.float32)
    return Problem(model, images, random.integers(0, flags.classes, flags.images), flags)


# Method to a call that returns its maps for all images or the first few.
Calls = dict[str, Callable[[], Any]]


def pag_tf_calls(problem: Problem) -> Calls:
    """Returns calls of `explain.gradients`, including checks and conversions."""
    points = problem.flags.points
    options: dict[str, dict[str, Any]] = {
        "smoothgrad": {"samples": points, "sigma": SIGMA},
        "integrated_gradients": {"steps": points},
    }

    def call(method: str) -> Any:
        return explain.gradients(
            problem.model,
            problem.images,
            problem.targets,
            method=method,
            batch_size=problem.flags.batch_size,
            **options.get(method, {}),
        )

    return {method: lambda method=method: call(method) for method in METHODS}


def tf_explain_calls(problem: Problem) -> Calls:
    """Returns calls of tf-explain, image by image, as it takes one class for all images.

    The class is a tensor, as every new Python number would be traced again. Its SmoothGrad expects
    probabilities and differentiates another function.
    """
    from tf_explain.core import IntegratedGradients, SmoothGrad, VanillaGradients

    model, points = problem.model, problem.flags.points
    probabilities = keras.Model(model.input, keras.layers.Softmax()(model.output))

    def smoothgrad(image: Any, target: Any) -> Any:
        noisy = SmoothGrad.generate_noisy_images(image, points, SIGMA)
        return SmoothGrad.get_averaged_gradients(noisy, probabilities, target, points)

    def integrated(image: Any, target: Any) -> Any:
        path = IntegratedGradients.generate_interpolations(image, points).astype("float32")
        return IntegratedGradients.get_integrated_gradients(path, model, target, points)

    def vanilla(image: Any, target: Any) -> Any:
        return VanillaGradients.compute_gradients(image, model, target)

    few = slice(problem.flags.loop_images)
    targets = [tf.constant(target, tf.int32) for target in problem.targets[few]]

    def loop(function: Callable[[Any, Any], Any]) -> Any:
        pairs = zip(problem.images[few], targets, strict=True)
        return np.concatenate([function(i[None], target).numpy() for i, target in pairs])

    functions = (vanilla, smoothgrad, integrated)
    return {m: lambda f=f: loop(f) for m, f in zip(METHODS, functions, strict=True)}


def xplique_calls(problem: Problem) -> Calls:
    """Returns calls of Xplique on the whole batch; only `Saliency` returns absolute values."""
    from xplique.attributions import IntegratedGradients, Saliency, SmoothGrad

    one_hot = keras.utils.to_categorical(problem.targets, problem.flags.classes)
    points = problem.flags.points
    common = {"batch_size": problem.flags.batch_size, "reducer": None}
    explainers = (
        Saliency(problem.model, **common),
        SmoothGrad(problem.model, **common, nb_samples=points, noise=SIGMA),
        IntegratedGradients(problem.model, **common, steps=points),
    )
    return {
        method: lambda explainer=explainer: explainer(problem.images, one_hot).numpy()
        for method, explainer in zip(METHODS, explainers, strict=True)
    }


def tf_keras_vis_calls(problem: Problem) -> Calls:
    """Returns calls of tf-keras-vis in batches; it has no integrated gradients."""
    from tf_keras_vis.saliency import Saliency
    from tf_keras_vis.utils.scores import CategoricalScore

    saliency = Saliency(problem.model)

    def call(samples: int) -> Any:
        # It processes one noisy variant of the whole batch after another.
        return np.concatenate(
            [
                saliency(
                    CategoricalScore(problem.targets[chunk].tolist()),
                    problem.images[chunk],
                    smooth_samples=samples,
                    smooth_noise=SIGMA,
                    keepdims=True,
                    gradient_modifier=None,
                    normalize_map=False,
                )
                for chunk in problem.chunks(1)
            ]
        )

    return {METHODS[0]: lambda: call(0), METHODS[1]: lambda: call(problem.flags.points)}


LIBRARIES = {
    "pag_tf": pag_tf_calls,
    "tf_explain": tf_explain_calls,
    "xplique": xplique_calls,
    "tf_keras_vis": tf_keras_vis_calls,
}


def captum(problem: Problem, folder: pathlib.Path) -> peer.Peer:
    """Starts attribution_torch.py, which waits for commands."""
    flags, path = problem.flags, folder / "problem.npz"
    # With the names that torch_peer.Problem reads, including those of an attack.
    np.savez(
        path,
        images=problem.images,
        start=problem.images,
        labels=problem.targets,
        steps=0,
        eps=0.0,
        step_size=0.0,
        **torch_comparison.exported_weights(problem.model),
    )
    settings = {
        "problem": path,
        "maps": folder / MAPS,
        "points": flags.points,
        "sigma": SIGMA,
        "batch_size": flags.batch_size,
        "threads": flags.threads,
    }
    script = str(pathlib.Path(__file__).with_name("attribution_torch.py"))
    return peer.Peer([flags.torch_python, script, *(f"--{k}={v}" for k, v in settings.items())])


def captum_calls(captum: peer.Peer, folder: pathlib.Path) -> Calls:
    """Returns calls that make the process explain the batch with Captum."""

    def maps(method: str) -> np.ndarray:
        captum.ask(f"maps {method}")
        return np.load(folder / MAPS)

    return {method: lambda method=method: maps(method) for method in METHODS}
