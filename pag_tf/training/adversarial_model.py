"""Adversarial training as a Keras model: perturb the batch, then take Keras' own training step."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from pag_tf.attacks import PGD, Attack
from pag_tf.core import backend, layers, losses, model_checks
from pag_tf.core.classifier import Classifier, Reading, loss_gradient
from pag_tf.core.config import BATCH_SIZE
from pag_tf.core.random_stream import RandomStream
from pag_tf.training.arithmetic import convolutions_in, float32_convolutions, sums_as_products
from pag_tf.training.config import BATCH_NORM_MODES, check_convolution_dtype
from pag_tf.training.inputs import NO_LABELS, Inputs, as_model_takes, image_of, with_image

# Streams of random numbers that must not coincide, although seed and step are the same.
_AUGMENTATION, _ATTACK, _EVALUATION = 0, 1, 2
_OPTIONS = (
    *("eps_warmup_steps", "clean_fraction", "attack_batch_norm", "ema_momentum", "seed"),
    *("convolution_dtype", "pixel_range", "multilabel"),
)


@keras.saving.register_keras_serializable(package="pag_tf")
class AdversarialModel(keras.Model):
    """Trains a classifier on adversarial images (Madry et al. 2017, arXiv 1706.06083).

    ```
    trainer = AdversarialModel(model, PGD("linf:2/255", steps=7))
    trainer.compile("sgd")
    trainer.fit(train, epochs=20)
    ```

    Each training step augments the images, perturbs them by the attack, and hands them to
    `keras.Model.train_step`. An attack of eps 0 is natural training through the same code. The
    trained weights are those of `model` itself. `save` and `get_config` keep model, attack and
    options, so that a loaded trainer trains on.

    The attack ascends the compiled loss, of which sample weights play no part. Models with one
    logit and with a sigmoid per label are trained with `keras.losses.BinaryCrossentropy`.

    Args:
        model: Keras classifier: pixels `[B, H, W, C]` in, logits out.
        attack: What perturbs the training batch; its seed is not used here.
        eval_attack: What `evaluate` measures `adversarial_accuracy` with. Default: 10 steps of PGD
            in the threat model of `attack`; nothing for eps 0.
        eps_warmup_steps: Epsilon grows linearly from 0 over so many steps.
        clean_fraction: Share of each batch, in [0, 1), that stays unperturbed; at least one image
            is perturbed.
        attack_batch_norm: Batch-norm mode of the model during the attack, `"inference"` or
            `"training"` (batch statistics; the moving ones are left alone in either case).
        ema_momentum: Momentum of the moving average of the weights that `fit` ends with, or None.
        augment: A Keras layer such as `keras.layers.RandomFlip`, `RandAugment` or `MixUp` (which
            needs one-hot labels), or `(images, RandomStream) -> images`, such as
            `pag_tf.data.augmentation.Augmentation`, or None. Works on pixels of `pixel_range`.
        seed: Of augmentation and attack. The random numbers of a step depend on the seed and the
            optimizer's step only, so that a resumed run continues with the same ones.
        convolution_dtype: What convolutions multiply in during a training step, attack included:
            `"float32"` or `"bfloat16"`. Weights, all other layers and `evaluate` stay float32.
        pixel_range: Lowest and highest pixel that the model takes. Epsilon stays in units of
            [0, 1].
        output: Which output is attacked, for models with several: its name or index.
        multilabel: Each output answers yes or no for a label of its own; None: if the loss is a
            binary one. To be told where that is a loss of one's own.

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
        pixel_range: tuple[float, float] = (0.0, 1.0),
        output: str | int | None = None,
        multilabel: bool | None = None,
        **kwargs: Any,
    ) -> None:
        model_checks.check_model(model)
        if layers.computes_in_float16(model):  # Keras scales the loss of models of this policy only
            kwargs.setdefault("dtype", "mixed_float16")
        super().__init__(**kwargs)
        _check_attack("attack", attack)
        if eval_attack is not None:
            _check_attack("eval_attack", eval_attack)
        _check_options(eps_warmup_steps, clean_fraction, attack_batch_norm, ema_momentum)
        check_convolution_dtype(convolution_dtype)
        if convolution_dtype != "float32" and not float32_convolutions(model):
            raise ValueError(
                f"convolution_dtype={convolution_dtype!r} would change nothing: the model has no "
                "Conv2D layer that computes in float32. Leave it out, or build a subclassed model "
                "before."
            )
        self._reading = Reading.of(model, pixel_range, bool(multilabel), output)
        self.multilabel = multilabel
        if getattr(model, "output_names", None):  # by which Keras reads dicts of losses
            self.output_names = list(model.output_names)
        self._attack_loss: Any = None
        self._probed = False
        self._seen_outputs: int | None = None
        _check_augmentation(augment, self._reading)
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
        self.pixel_range, self.output_name = self._reading.pixel_range, output
        self.adversarial_accuracy = keras.metrics.Mean(name="adversarial_accuracy")
        if model.built:
            self.built = True

    def build(self, input_shape: Any = None) -> None:
        """Builds the classifier."""
        if not self.classifier.built:
            self.classifier.build(input_shape)

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
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: backend.JitCompile = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """As `keras.Model.compile`; by default cross-entropy of logits, accuracy, and XLA.

        Args:
            optimizer, loss_weights, weighted_metrics, run_eagerly, steps_per_execution: See Keras.
            loss: Of logits; it is what the attack ascends. Default:
                `SparseCategoricalCrossentropy(from_logits=True)`.
            metrics: Default: the accuracy that fits the loss. `"accuracy"` is that one, too; with
                binary losses Keras' own would compare logits with 0.5.
            jit_compile: `"auto"` compiles with XLA except where that is known to be slow (depthwise
                convolutions on CPU) or fails (several devices). On CPU Keras' own `"auto"` means no
                XLA.
            auto_scale_loss: See Keras.

        Raises:
            ValueError: A loss of probabilities.
        """
        optimizer = keras.optimizers.get(optimizer)
        if self.ema_momentum is not None:
            if optimizer.built and not optimizer.use_ema:
                raise ValueError(
                    "ema_momentum needs an optimizer that is not built yet, or one with "
                    "use_ema=True. Pass a new optimizer to compile."
                )
            optimizer.use_ema, optimizer.ema_momentum = True, self.ema_momentum
        loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        keras.tree.map_structure(losses.check_from_logits, loss)
        several = isinstance(loss, (dict, list, tuple))
        self._attack_loss = self._reading.chosen(loss) if several else loss
        self._probed = False
        self._set_reading()
        answers = self._reading.multilabel
        if jit_compile == "auto" and self._mixes():
            jit_compile = False  # they draw from a beta distribution, which XLA cannot
        accuracy = _accuracy(self._attack_loss, answers=answers)
        if metrics is None and isinstance(loss, (list, tuple)):
            attacked = self._reading.chosen(list(range(len(loss))))
            metrics = [[accuracy] if place == attacked else [] for place in range(len(loss))]
        elif metrics is None:
            metrics = {self.output_name: [accuracy]} if isinstance(loss, dict) else [accuracy]
        elif answers:
            metrics = _with_accuracy(metrics, accuracy)
        if answers and weighted_metrics is not None:
            name = f"weighted_{accuracy.name}"
            weighted_metrics = _with_accuracy(
                weighted_metrics, keras.metrics.BinaryAccuracy(name=name, threshold=0.0)
            )
        super().compile(
            optimizer,
            loss,
            loss_weights=loss_weights,
            metrics=metrics,
            weighted_metrics=weighted_metrics,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=backend.uses_xla(jit_compile, self.classifier) and not run_eagerly,
            auto_scale_loss=auto_scale_loss,
        )

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: Any = True,
        *arguments: Any,
        **kwargs: Any,
    ) -> Any:
        """As `keras.Model.fit`; takes the data sets of `pag_tf.data` as well.

        Images and labels are checked: arrays before the first step, streaming batches before each.

        Args:
            x: Whatever Keras takes, or a `tf.data.Dataset` of dicts with `image` and `label`; an
                unbatched one is shuffled (buffer of 10,000) and batched.
            y: Labels, where `x` is an array of images.
            batch_size: For arrays and unbatched data sets; default 128.
            epochs, verbose, callbacks, validation_split, shuffle: See `keras.Model.fit`.
            validation_data: As `x`, or a tuple of arrays.
            *arguments, **kwargs: Others, see `keras.Model.fit`.

        Raises:
            ValueError: Images outside of `pixel_range`, labels that the loss cannot take, a model
                that returns probabilities or has no input gradient, a layer for augmentation that
                does not fit the pixels.
            RuntimeError: XLA cannot compile the model.
        """
        self._assert_compile_called("fit")
        size = BATCH_SIZE if batch_size is None else batch_size
        inputs = self._inputs()
        x, y, given = inputs.prepared(x, y, size, shuffle_seed=self.seed)
        steps = given.pop("steps", None)
        if steps is not None:
            kwargs.setdefault("steps_per_epoch", steps)
        if hasattr(x, "element_spec"):
            shuffle = False  # Keras warns that it does not shuffle one, unless it is told so
        self._probe(x, y, inputs)
        if isinstance(validation_data, (tuple, list)):
            held, *rest = validation_data
            held = as_model_takes(self.classifier, held)
            inputs.check(held, rest[0] if rest else None)
            validation_data = (held, *rest)
        elif validation_data is not None:
            validation_data, _, given_too = inputs.prepared(validation_data, None, size)
            if "steps" in given_too:
                kwargs.setdefault("validation_steps", given_too["steps"])
        with inputs.refusals(), _xla_errors(self.jit_compile):
            return super().fit(
                *(x, y, given["batch_size"], epochs, verbose, callbacks, validation_split),
                *(validation_data, shuffle, *arguments),
                **kwargs,
            )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        *arguments: Any,
        **kwargs: Any,
    ) -> Any:
        """As `keras.Model.evaluate`: loss and accuracy clean, and `adversarial_accuracy`."""
        if kwargs.get("_use_cached_eval_dataset"):  # by fit, which has checked it
            return super().evaluate(x, y, batch_size, *arguments, **kwargs)
        size = BATCH_SIZE if batch_size is None else batch_size
        inputs = self._inputs()
        x, y, given = inputs.prepared(x, y, size)
        kwargs |= {name: kwargs.get(name) or given[name] for name in given if name == "steps"}
        self._probe(x, y, inputs)
        with inputs.refusals(), _xla_errors(self.jit_compile):
            return super().evaluate(x, y, given["batch_size"], *arguments, **kwargs)

    def train_on_batch(self, x: Any, y: Any = None, *arguments: Any, **kwargs: Any) -> Any:
        """As `keras.Model.train_on_batch`, after the checks of `fit`."""
        inputs = self._inputs()
        x, y, _ = inputs.prepared(x, y, 1)
        self._probe(x, y, inputs)
        return super().train_on_batch(x, y, *arguments, **kwargs)

    def test_on_batch(self, x: Any, y: Any = None, *arguments: Any, **kwargs: Any) -> Any:
        """As `keras.Model.test_on_batch`, after the checks of `evaluate`."""
        inputs = self._inputs()
        x, y, _ = inputs.prepared(x, y, 1)
        self._probe(x, y, inputs)
        return super().test_on_batch(x, y, *arguments, **kwargs)

    def train_step(self, *arguments: Any) -> Any:
        """Perturbs the batch and takes Keras' training step."""
        *given, data = arguments
        state = backend.step_state(self, given)
        x, y, sample_weight = self._unpacked(data)
        batch = state.batches(self.optimizer)
        with state.scope():
            images, y = self._augmented(image_of(x), y, self._stream(_AUGMENTATION, batch))
            if self.augment is not None:
                images = ops.clip(images, *self.pixel_range)
            perturbed = self._perturb(x, images, y, batch, state)
            x = with_image(x, ops.stop_gradient(perturbed))
        outputs = super().train_step(*given, (x, y, sample_weight))
        state.logs(outputs).pop(self.adversarial_accuracy.name, None)
        return outputs

    def test_step(self, *arguments: Any) -> Any:
        """Keras' test step on clean images, then accuracy on images perturbed by `eval_attack`."""
        *given, data = arguments
        state = backend.step_state(self, given)
        x, y, sample_weight = self._unpacked(data)
        outputs = super().test_step(*given, (x, y, sample_weight))
        if self.eval_attack is None or self.eval_attack.threat.eps == 0:
            state.logs(outputs).pop(self.adversarial_accuracy.name, None)
            return outputs
        with state.scope():
            classifier = self._as_attacked(
                self.eval_attack,
                lambda images, training: self.classifier(with_image(x, images), training=training),
            )
            unit = self._reading.to_unit(image_of(x))
            labels = self._labels(y)
            random = self._stream(_EVALUATION, 0)
            unit = self.eval_attack.perturb(classifier, unit, labels, random=random)
            correct = ops.cast(classifier.correct(classifier(unit), labels), "float32")
        if isinstance(sample_weight, (dict, list, tuple)):
            sample_weight = self._reading.chosen(sample_weight)
        update = self.adversarial_accuracy.update_state
        return state.updated_metrics(outputs, lambda: update(correct, sample_weight))

    def _inputs(self) -> Inputs:
        return Inputs(self.classifier, self._reading, self._check_labels)

    def _unpacked(self, data: Any) -> tuple[Any, Any, Any]:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if y is None:
            raise ValueError(NO_LABELS)
        images = image_of(x)
        model_checks.check_static(self.classifier, images, None, reading=self._reading)
        return with_image(x, ops.cast(images, "float32")), y, sample_weight

    def _labels(self, y: Any) -> Any:
        """The labels of the output that is attacked, as its loss takes them."""
        y = self._reading.chosen(y) if isinstance(y, (dict, list, tuple)) else y
        kind = losses.kind_of_labels(self._attack_loss)
        if kind == "classes":  # [B] or [B, 1], or of a rank that tf.data does not know
            return ops.reshape(y, (-1,))
        if self._reading.multilabel and len(y.shape) == 1:
            return ops.expand_dims(y, -1)
        return y

    def _check_labels(self, labels: np.ndarray) -> None:
        """Raises ValueError for labels, in memory, that the loss cannot take."""
        count = self._outputs()
        ignored = getattr(self._attack_loss, "ignore_class", None)
        if ignored is not None:
            labels = labels[labels != ignored]
        if self._mixes() and labels.ndim < 2:
            raise ValueError(
                "MixUp and CutMix mix labels, which class indices cannot be: pass one-hot labels "
                "(keras.utils.to_categorical) and compile with "
                "keras.losses.CategoricalCrossentropy(from_logits=True)."
            )
        model_checks.check_labels(losses.kind_of_labels(self._attack_loss), labels, count)

    def _outputs(self) -> int | None:
        """Number of logits, or None for a subclassed model that is not built yet."""
        spec = layers.output_spec(self.classifier)
        return self._seen_outputs if spec is None else self._reading.chosen(spec).shape[-1]

    def _set_reading(self) -> None:
        """What the outputs mean, by the loss; a single logit answers, whatever its loss."""
        kind = losses.kind_of_labels(self._attack_loss)
        multilabel = self.multilabel
        if multilabel is None:
            single = kind == "other" and self._outputs() == 1
            multilabel = single or kind in ("answers", "signs")
        self._reading = Reading.of(self.classifier, self.pixel_range, multilabel, self.output_name)

    def _probe(self, x: Any, y: Any, inputs: Inputs) -> None:
        """Refuses a model that cannot be attacked, before the first step changes its weights."""
        if self._probed or len(getattr(self.classifier, "inputs", None) or [0]) > 1:
            return
        x, y = (x, y) if inputs.first is None else inputs.first[:2]
        shape = _image_shape(x, self.classifier)
        if shape is None:
            return
        unknown = self._outputs() is None
        self._try_out(shape)
        if unknown:  # a subclassed model is built now
            self._set_reading()
            if y is not None:
                self._check_labels(ops.convert_to_numpy(inputs.labels_of(y)))

    def _try_out(self, shape: tuple[int, ...]) -> None:
        self._probed = True
        noise = RandomStream(0, 0).uniform((2, *shape))
        samples = ops.concatenate([noise, ops.full_like(noise[:1], 0.5), ops.ones_like(noise[:1])])
        classifier = self.attack.classifier(self.classifier, self._reading)
        logits = classifier(samples)
        self._seen_outputs = 1 if classifier.one_logit else logits.shape[-1]
        model_checks.check_logits(ops.convert_to_numpy(logits), None)
        if self.attack.threat.eps == 0:
            return
        answers = ops.cast(logits > 0, "int32")
        labels = answers if self._reading.multilabel else ops.argmax(logits, axis=-1)
        gradient, _, _ = loss_gradient(classifier, samples, labels)
        if not np.any(ops.convert_to_numpy(gradient)):
            warnings.warn(
                "The input gradient is zero for every sample image: as long as it is, training "
                "images are not perturbed. The last layer may begin with zeros; otherwise look for "
                "dead ReLUs and for rounding in the model.",
                stacklevel=3,
            )

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same, uncompiled trainer of."""
        options = {name: getattr(self, name) for name in _OPTIONS}
        return {
            **super().get_config(),
            **options,
            "output": self.output_name,
            "model": keras.saving.serialize_keras_object(self.classifier),
            "augment": keras.saving.serialize_keras_object(self.augment),
            "attack": self.attack.get_config(),
            "eval_attack": self.eval_attack and self.eval_attack.get_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> AdversarialModel:
        """Makes the trainer that `get_config` described."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("model", "augment")
        }
        attacks = {
            name: config[name] and Attack.from_config(config[name])
            for name in ("attack", "eval_attack")
        }
        return cls(**{**config, **parts, **attacks})

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles as before, optimizer state included."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def _augmented(self, images: Any, y: Any, random: RandomStream) -> tuple[Any, Any]:
        if not isinstance(self.augment, keras.Layer):
            return (images if self.augment is None else self.augment(images, random)), y
        states = layers.seed_states(self.augment)
        draws = [random.generator_state(state.dtype) for state in states]
        with backend.stateless_scope(states, draws):
            if not self._mixes():
                return self.augment(images, training=True), y
            mixed = self.augment({"images": images, "labels": y}, training=True)
            return mixed["images"], mixed["labels"]

    def _mixes(self) -> bool:
        """True if augmentation mixes images and their labels."""
        mixing = (keras.layers.MixUp, keras.layers.CutMix)
        inner = layers.all_layers(self.augment) if isinstance(self.augment, keras.Layer) else []
        return any(isinstance(layer, mixing) for layer in inner)

    def _as_attacked(self, attack: Attack, model: Callable[..., Any]) -> Classifier:
        return Classifier(
            model,
            self._reading,
            loss=self._attack_loss,
            passes=attack.eot,
            float16=layers.computes_in_float16(self.classifier),
        )

    def _perturb(self, x: Any, images: Any, y: Any, batch: Any, state: backend.StepState) -> Any:
        if self.attack.threat.eps == 0:
            return images
        clean = self._clean_images(images) if self.clean_fraction else 0
        others = keras.tree.map_structure(lambda value: value[clean:], x)

        def frozen(images: Any, training: bool) -> Any:
            # A scope for each call: what it does to the batch-norm statistics, in whatever mode, is
            # forgotten, and no later step of the attack sees it.
            with state.scope(), self._arithmetic():
                return self.classifier(with_image(others, images), training=training)

        perturbed = self.attack.perturb(
            self._as_attacked(self.attack, frozen),
            self._reading.to_unit(images[clean:]),
            self._labels(y)[clean:],
            random=self._stream(_ATTACK, batch),
            scale=self._warmup(state.iterations(self.optimizer)),
            training=self.attack_batch_norm == "training",
        )
        perturbed = self._reading.clipped(self._reading.from_unit(perturbed))
        return ops.concatenate([images[:clean], perturbed]) if self.clean_fraction else perturbed

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


@contextlib.contextmanager
def _xla_errors(jit_compile: bool) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if jit_compile and backend.is_xla_error(error):
            raise RuntimeError(
                f"{backend.XLA_REFUSES} TensorFlow says: {getattr(error, 'message', error)}"
            ) from error
        raise


def _image_shape(x: Any, model: keras.Model) -> tuple[int, ...] | None:
    """Height, width and channels of the images, or None if they are not known before training."""
    known = getattr(model, "input_shape", None)
    given = getattr(x, "element_spec", (x,))[0]
    for shape in (getattr(image_of(given), "shape", None), known):
        if shape is not None and len(shape) == 4 and None not in shape[1:]:
            return tuple(map(int, shape[1:]))
    return None


def _with_accuracy(metrics: Any, accuracy: keras.metrics.Metric) -> Any:
    return keras.tree.map_structure(
        lambda metric: accuracy if metric in ("accuracy", "acc") else metric, metrics
    )


def _accuracy(loss: Any, *, answers: bool) -> Any:
    kind = losses.kind_of_labels(loss)
    if answers:
        return keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
    if kind == "shares":
        return keras.metrics.CategoricalAccuracy(name="accuracy")
    if kind == "other":
        return "accuracy"
    return keras.metrics.SparseCategoricalAccuracy(name="accuracy")


def _check_augmentation(augment: Any, reading: Reading) -> None:
    """Refuses a Keras layer made for other pixels, which would make nearly black or white ones."""
    inner = layers.all_layers(augment) if isinstance(augment, keras.Layer) else []
    for layer in inner:
        wanted = getattr(layer, "value_range", None)
        if wanted is not None and tuple(map(float, wanted)) != reading.pixel_range:
            low, high = reading.pixel_range
            raise ValueError(
                f"The augmentation layer {layer.name!r} works on pixels of {tuple(wanted)}, and "
                f"the model takes {low:g} to {high:g}: give it value_range=({low:g}, {high:g})."
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
