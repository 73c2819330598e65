"""Gradients, compilation and training state on JAX, where functions take all values by hand."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras

from pag_tf.core.backend.base import Backend, StepState, stateless_scope, steps_counter
from pag_tf.core.layers import seed_states


class JaxStepState(StepState):
    """The values of all variables, which Keras passes to a step and takes from its outputs.

    Args:
        model: The compiled model whose step it is.
        values: Lists of values in Keras' order: trainable and non-trainable variables, those of
            the optimizer (in a training step only), metrics.
    """

    def __init__(self, model: keras.Model, values: Sequence[Any]) -> None:
        super().__init__(model)
        self._values = values

    def batches(self, optimizer: keras.optimizers.Optimizer) -> Any:
        _, _, optimizer_values, _ = self._values
        counter, _ = steps_counter(optimizer)
        # By identity: comparing variables would read values, which are not there inside a step.
        pairs = zip(optimizer.variables, optimizer_values, strict=True)
        return next(value for variable, value in pairs if variable is counter)

    def scope(self) -> keras.StatelessScope:
        trainable, non_trainable, *_ = self._values
        variables = [*self._model.trainable_variables, *self._model.non_trainable_variables]
        return stateless_scope(variables, [*trainable, *non_trainable])

    def logs(self, outputs: Any) -> dict[str, Any]:
        logs, _ = outputs
        return logs

    def updated_metrics(self, outputs: Any, update: Callable[[], Any]) -> Any:
        _, (trainable, non_trainable, metrics) = outputs
        with stateless_scope(self._model.metrics_variables, metrics) as scope:
            update()
            logs = self._model.get_metrics_result()
        metrics = [scope.get_current_value(v) for v in self._model.metrics_variables]
        return logs, (trainable, non_trainable, metrics)


class JaxBackend(Backend):
    """`jax.grad` and `jax.jit`."""

    def input_gradient(
        self, loss: Callable[[Any], tuple[Any, Any]], images: Any
    ) -> tuple[Any, Any]:
        gradient, auxiliary = jax.grad(loss, has_aux=True)(images)
        return gradient, auxiliary

    def is_symbolic(self, tensor: Any) -> bool:
        return isinstance(tensor, jax.core.Tracer)

    def on_cpu(self) -> bool:
        return jax.default_backend() == "cpu"

    def compiled(
        self, function: Callable[..., Any], model: keras.Model, *, jit_compile: bool = True
    ) -> Callable[..., Any]:
        if not jit_compile:
            return super().compiled(function, model)
        reference = weakref.ref(model)

        @jax.jit
        def pure(values: list[Any], *tensors: Any) -> Any:
            live = reference()
            assert live is not None
            with stateless_scope(live.variables, values) as scope:
                result = function(live, *tensors)
                return result, [scope.get_current_value(v) for v in seed_states(live)]

        def call(*tensors: Any) -> Any:
            live = reference()
            assert live is not None
            result, states = pure([v.value for v in live.variables], *tensors)
            # Everything else that was assigned is forgotten, but noise must not repeat itself.
            for variable, state in zip(seed_states(live), states, strict=True):
                variable.assign(state)
            return result

        return call

    def step_state(self, model: keras.Model, given: Sequence[Any]) -> StepState:
        (values,) = given
        return JaxStepState(model, values)
