"""What differs between Keras' backends: one interface, which each backend implements."""

from __future__ import annotations

import abc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras

NOT_DIFFERENTIABLE = (
    "The model is not differentiable: its outputs do not depend on the pixels, or do so through a "
    "step such as rounding or a cast to integers, so the input gradient does not exist. Leave that "
    "step out, or give it a gradient (keras.ops.custom_gradient)."
)
XLA_REFUSES = "XLA cannot compile or run this model; try jit_compile=False."


def stateless_scope(variables: Sequence[Any], values: Sequence[Any]) -> keras.StatelessScope:
    """Returns a scope in which Keras variables have the given values.

    What is assigned to any variable inside is forgotten at its end.
    """
    return keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True)))


def steps_counter(optimizer: keras.optimizers.Optimizer) -> tuple[Any, int | None]:
    """Returns the variable that counts batches, and `gradient_accumulation_steps`.

    Keras' public `iterations` is computed from the two; the variable itself is private.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    return inner._iterations, inner.gradient_accumulation_steps


class StepState:
    """The state of one training or test step of a Keras model.

    This class is for backends whose variables hold their values inside a step.

    Args:
        model: The compiled model whose step it is.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def iterations(self, optimizer: keras.optimizers.Optimizer) -> Any:
        """Returns how many times the optimizer has changed the weights before this step."""
        batches, accumulated = self.batches(optimizer), steps_counter(optimizer)[1]
        return keras.ops.floor_divide(batches, accumulated) if accumulated else batches

    def batches(self, optimizer: keras.optimizers.Optimizer) -> Any:
        """Returns how many batches the optimizer has seen before this one.

        With `gradient_accumulation_steps`, several batches make one change of the weights.
        """
        return steps_counter(optimizer)[0]

    def scope(self) -> keras.StatelessScope:
        """Returns a scope in which the model computes as in this step, and changes no variable."""
        return stateless_scope([], [])

    def logs(self, outputs: Any) -> dict[str, Any]:
        """Returns the logs in what Keras' own step returned; changes of the dict count."""
        return outputs

    def updated_metrics(self, outputs: Any, update: Callable[[], Any]) -> Any:
        """Continues what Keras' test step returned with an update of one more metric.

        Args:
            outputs: What `keras.Model.test_step` returned.
            update: Calls `update_state` of a metric of the model.

        Returns:
            What `test_step` returns to Keras: `outputs` with the logs of all metrics.
        """
        update()
        return self._model.get_metrics_result()


class Backend(abc.ABC):
    """How gradients, compilation and training state work on one backend of Keras."""

    @abc.abstractmethod
    def input_gradient(
        self, loss: Callable[[Any], tuple[Any, Any]], images: Any
    ) -> tuple[Any, Any]:
        """Computes the gradient of a scalar with respect to images; no weight is differentiated.

        Args:
            loss: Images to `(scalar, auxiliary)`, written in `keras.ops`.
            images: Tensor of any shape.

        Returns:
            `(gradient, auxiliary)`, the gradient with the shape of `images`.
        """

    @abc.abstractmethod
    def is_symbolic(self, tensor: Any) -> bool:
        """True inside `tf.function`, `jax.jit` and the like, where values cannot be looked at."""

    @abc.abstractmethod
    def on_cpu(self) -> bool:
        """True where no accelerator is used."""

    def is_xla_error(self, error: BaseException) -> bool:
        """True for what the backend raises where XLA cannot compile a function."""
        return False

    def replicas(self) -> int:
        """Returns on how many devices a model that is built now is trained at once."""
        return 1

    def compiled(
        self, function: Callable[..., Any], model: keras.Model, *, jit_compile: bool = True
    ) -> Callable[..., Any]:
        """Compiles `function(model, *tensors)`; the result takes the tensors only.

        Later changes of the model's weights are seen. The result does not keep the model alive.
        A backend that does not override this one runs the function eagerly.
        """
        reference = weakref.ref(model)
        return lambda *tensors: function(reference(), *tensors)

    def step_state(self, model: keras.Model, given: Sequence[Any]) -> StepState:
        """Returns the state of a step of a model.

        Args:
            model: The compiled model.
            given: The arguments of `train_step` or `test_step` before the data.
        """
        return StepState(model)
