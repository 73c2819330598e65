"""Adversarial training as a Keras model: perturb the batch, then take Keras' own training step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.attacks import PGD, Attack
from pag_tf.core import backend, model_checks
from pag_tf.core.config import BATCH_SIZE
from pag_tf.core.random_stream import RandomStream
from pag_tf.training.arithmetic import convolutions_in, sums_as_products
from pag_tf.training.config import BATCH_NORM_MODES, check_convolution_dtype

# Streams of random numbers that must not coincide, although seed and step are the same.
_AUGMENTATION, _ATTACK, _EVALUATION = 0, 1, 2


class AdversarialModel(keras.Model):
    """Trains a classifier on adversarial images (Madry et al. 2017, arXiv 1706.06083).

    ```
    trainer = AdversarialModel(model, PGD("linf:2/255", steps=7))
    trainer.compile("sgd")
    trainer.fit(train, epochs=20)
    ```

    Each training step augments the images, perturbs them by the attack, and hands them to
    `keras.Model.train_step`. An attack of eps 0 is natural training through the same code. The
    trained weights are those of `model` itself.

    Args:
        model: Keras classifier: float32 pixels `[B, H, W, C]` in [0, 1] in, logits out.
        attack: What perturbs the training batch; its seed is not used here.
        eval_attack: What `evaluate` measures `adversarial_accuracy` with. Default: 10 steps of PGD
            in the threat model of `attack`; nothing for eps 0.
        eps_warmup_steps: Epsilon grows linearly from 0 over so many steps.
        clean_fraction: Share of each batch, in [0, 1), that stays unperturbed; at least one image
            is perturbed.
        attack_batch_norm: Batch-norm mode of the model during the attack, `"inference"` or
            `"training"` (batch statistics; the moving ones are left alone in either case).
        ema_momentum: Momentum of the moving average of the weights that `fit` ends with, or None.
        augment: `(images, RandomStream) -> images`, such as
            `pag_tf.data.augmentation.Augmentation`, or None.
        seed: Of augmentation and attack. The random numbers of a step depend on the seed and the
            optimizer's step only, so that a resumed run continues with the same ones.
        convolution_dtype: What convolutions multiply in during a training step, attack included:
            `"float32"` or `"bfloat16"`. Weights, all other layers and `evaluate` stay float32.

    Raises:
        ValueError: Options out of range, or a model that ends in softmax or sigmoid.
    """

    def __init__(
        self,
        model: keras.Model,
        attack: Attack,
        *,
        eval_attack: Attack | None = None,
        eps_warmup_steps: int = 0,
        clean_fraction: float = 0.0,
        attack_batch_norm: str = "inference",
        ema_momentum: float | None = None,
        augment: Callable[[Any, Any], Any] | None = None,
        seed: int = 0,
        convolution_dtype: str = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        model_checks.check_model(model)
        _check_attack("attack", attack)
        if eval_attack is not None:
            _check_attack("eval_attack", eval_attack)
        _check_options(eps_warmup_steps, clean_fraction, attack_batch_norm, ema_momentum)
        check_convolution_dtype(convolution_dtype)
        self.classifier = model
        self.attack = attack
        if eval_attack is None and attack.threat.eps > 0:
            eval_attack = PGD(attack.threat, steps=10)
        self.eval_attack = eval_attack
        self.eps_warmup_steps = eps_warmup_steps
        self.clean_fraction = clean_fraction
        self.attack_batch_norm = attack_batch_norm
        self.ema_momentum = ema_momentum
        self.augment = augment
        self.seed = seed
        self.convolution_dtype = convolution_dtype
        self.adversarial_accuracy = keras.metrics.SparseCategoricalAccuracy(
            name="adversarial_accuracy"
        )

    def call(self, images: Any, training: bool = False) -> Any:
        """The classifier's logits."""
        if not training:
            return self.classifier(images, training=False)
        with self._arithmetic():
            return self.classifier(images, training=True)

    def compile(
        self,
        optimizer: Any = "sgd",
        loss: Any = None,
        *,
        metrics: Any = None,
        jit_compile: bool = True,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`; by default cross-entropy of logits, accuracy, and XLA.

        On CPU Keras' own default for `jit_compile`, `"auto"`, means no XLA.
        """
        optimizer = keras.optimizers.get(optimizer)
        if self.ema_momentum is not None:
            optimizer.use_ema, optimizer.ema_momentum = True, self.ema_momentum
        super().compile(
            optimizer,
            loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=metrics or [keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
            jit_compile=jit_compile,
            **kwargs,
        )

    def fit(
        self, x: Any = None, y: Any = None, *, batch_size: int = BATCH_SIZE, **kwargs: Any
    ) -> Any:
        """As `keras.Model.fit`; takes the data sets of `pag_tf.data` as well.

        Args:
            x: Whatever Keras takes, or a `tf.data.Dataset` of dicts with `image` and `label`; an
                unbatched one is shuffled (buffer of 10,000) and batched.
            y: Labels, where `x` is an array of images.
            batch_size: For arrays and unbatched data sets.
            **kwargs: See `keras.Model.fit`.
        """
        self._check_arrays(x, y)
        x, batch = _as_pairs(x, batch_size, shuffle_seed=self.seed)
        if hasattr(x, "element_spec"):
            # Keras warns that it does not shuffle a tf.data.Dataset, unless it is told so.
            kwargs.setdefault("shuffle", False)
        validation = kwargs.get("validation_data")
        if validation is not None and not isinstance(validation, tuple):
            kwargs["validation_data"], _ = _as_pairs(validation, batch_size)
        return super().fit(x, y, batch_size=batch, **kwargs)

    def evaluate(
        self, x: Any = None, y: Any = None, *, batch_size: int = BATCH_SIZE, **kwargs: Any
    ) -> Any:
        """As `keras.Model.evaluate`: loss and accuracy clean, and `adversarial_accuracy`."""
        self._check_arrays(x, y)
        x, batch = _as_pairs(x, batch_size)
        return super().evaluate(x, y, batch_size=batch, **kwargs)

    def train_step(self, *arguments: Any) -> Any:
        """Perturbs the batch and takes Keras' training step."""
        *given, data = arguments
        state = backend.step_state(self, given)
        x, y, sample_weight = self._checked(data)
        step = state.iterations(self.optimizer)
        with state.scope():
            if self.augment is not None:
                x = self.augment(x, self._stream(_AUGMENTATION, step))
            x = ops.stop_gradient(self._perturb(x, y, step, state))
        outputs = super().train_step(*given, (x, y, sample_weight))
        state.logs(outputs).pop(self.adversarial_accuracy.name, None)
        return outputs

    def test_step(self, *arguments: Any) -> Any:
        """Keras' test step on clean images, then accuracy on images perturbed by `eval_attack`."""
        *given, data = arguments
        state = backend.step_state(self, given)
        x, y, sample_weight = self._checked(data)
        outputs = super().test_step(*given, data)
        if self.eval_attack is None or self.eval_attack.threat.eps == 0:
            state.logs(outputs).pop(self.adversarial_accuracy.name, None)
            return outputs
        with state.scope():
            random = self._stream(_EVALUATION, 0)
            x = self.eval_attack.perturb(self.classifier, x, y, random=random)
            logits = self.classifier(x, training=False)
        update = self.adversarial_accuracy.update_state
        return state.updated_metrics(outputs, lambda: update(y, logits, sample_weight))

    def _checked(self, data: Any) -> tuple[Any, Any, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if y is None:
            raise ValueError(
                "Labels are missing. Pass images and labels, or a data set of (image, label) or of "
                "dicts with image and label."
            )
        model_checks.check_static(self.classifier, x, y)
        return x, y, sample_weight

    def _check_arrays(self, x: Any, y: Any) -> None:
        """Before Keras sees them: it may trace the model before the first step."""
        if hasattr(x, "shape") and len(x):
            self._checked((x, None if y is None else np.asarray(y)))

    def _perturb(self, x: Any, y: Any, step: Any, state: backend.StepState) -> Any:
        if self.attack.threat.eps == 0:
            return x
        clean = self._clean_images(x) if self.clean_fraction else 0

        def frozen(images: Any, training: bool) -> Any:
            # A scope for each call: what it does to the batch-norm statistics, in whatever mode, is
            # forgotten, and no later step of the attack sees it.
            with state.scope(), self._arithmetic():
                return self.classifier(images, training=training)

        perturbed = self.attack.perturb(
            frozen,
            x[clean:],
            y[clean:],
            random=self._stream(_ATTACK, step),
            scale=self._warmup(step),
            training=self.attack_batch_norm == "training",
        )
        return ops.concatenate([x[:clean], perturbed]) if self.clean_fraction else perturbed

    def _clean_images(self, x: Any) -> Any:
        """How many images of a batch stay clean: the nearest whole number, but never all."""
        size = ops.shape(x)[0]
        if isinstance(size, int):
            return min(round(self.clean_fraction * size), size - 1)
        # Keras leaves the size open where the last batch of an epoch is smaller.
        share = ops.round(self.clean_fraction * ops.cast(size, "float32"))
        return ops.minimum(ops.cast(share, "int32"), size - 1)

    def _warmup(self, step: Any) -> Any:
        if self.eps_warmup_steps == 0:
            return 1.0
        return ops.minimum(1.0, (ops.cast(step, "float32") + 1.0) / self.eps_warmup_steps)

    def _stream(self, purpose: int, step: Any) -> RandomStream:
        return RandomStream(3 * self.seed + purpose, step)

    @contextlib.contextmanager
    def _arithmetic(self) -> Iterator[None]:
        """How the classifier computes in a training step."""
        with contextlib.ExitStack() as ways:
            ways.enter_context(convolutions_in(self.convolution_dtype, self.classifier))
            if backend.on_cpu():
                ways.enter_context(sums_as_products(self.classifier))
            yield


def _as_pairs(x: Any, batch_size: int, shuffle_seed: int | None = None) -> tuple[Any, int | None]:
    """A data set of dicts as batches of `(image, label)`; anything else as it is."""
    spec = getattr(x, "element_spec", None)
    if spec is None:
        if not hasattr(x, "shape"):
            return x, None
        _check_count(len(x), 1)
        return x, batch_size
    count = int(x.cardinality()) if hasattr(x, "cardinality") else -1
    if isinstance(spec, dict):
        if not {"image", "label"} <= set(spec):
            raise ValueError(
                f"A data set of dicts needs image and label, got {', '.join(map(str, spec))}."
            )
        image = spec["image"]
        x = x.map(lambda example: (example["image"], example["label"]))
    else:
        image = spec[0] if isinstance(spec, tuple) else spec
    single, training = len(image.shape) == 3, shuffle_seed is not None
    _check_count(count, batch_size if single and training else 1)
    if single:
        if training:
            x = x.shuffle(10_000, seed=shuffle_seed)
        x = x.batch(batch_size, drop_remainder=training).prefetch(2)
    return x, None


def _check_count(count: int, needed: int) -> None:
    """Refuses a data set with fewer images than needed; a negative count is an unknown one."""
    if count == 0:
        raise ValueError("The data set is empty: at least one image is needed.")
    if 0 < count < needed:
        raise ValueError(
            f"The data set has {count} images, so that no batch of batch_size={needed} is "
            f"complete: use a batch_size of at most {count}."
        )


def _check_attack(name: str, attack: Any) -> None:
    if not isinstance(attack, Attack):
        raise ValueError(
            f"{name} must be one of pag_tf.attacks, such as PGD('linf:2/255'), got {attack!r}."
        )
    if attack.targeted:
        raise ValueError(f"{name} must be untargeted here, got targeted=True.")


def _check_options(
    warmup: int, clean_fraction: float, mode: str, ema_momentum: float | None
) -> None:
    if warmup < 0:
        raise ValueError(f"eps_warmup_steps must be a number of steps >= 0, got {warmup!r}.")
    if not 0 <= clean_fraction < 1:
        raise ValueError(f"clean_fraction must be in [0, 1), got {clean_fraction!r}.")
    if mode not in BATCH_NORM_MODES:
        raise ValueError(
            f"attack_batch_norm must be one of {', '.join(BATCH_NORM_MODES)}, got {mode!r}."
        )
    if ema_momentum is not None and not 0 < ema_momentum < 1:
        raise ValueError(f"ema_momentum must be in (0, 1), got {ema_momentum!r}.")
