"""The compiled ascent: one TensorFlow loop for all pictures, all of their views and all steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ferviz.dreaming.ascent.ascent_config import (
    EPSILON,
    FIRST_DECAY,
    LAST_RATE,
    SECOND_DECAY,
    TINY,
    AscentConfig,
    State,
    inside,
)
from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.parameterizations.parameterization import SLOPE
from ferviz.dreaming.transforms import blurred
from ferviz.engines.precision import convolution_precision

Forward = Callable[[Any, Sequence[str]], dict[str, Any]]
"""(pictures (N, h, w, c) tensor in 0..1, layer names) -> their tensors by name."""


class CompiledAscent:
    """A compiled ascent for pictures of one size and objectives of one structure; indices and weights are data.

    Args:
        forward: the network as a graph.
        groups: the objectives that are dreamt side by side, each with `copies` pictures, so that there are
            F = len(groups) * copies pictures in the order objective by objective.
        size: (h, w, c).
        config: what the ascent changes and how it walks.
        copies: pictures per objective.
    """

    def __init__(
        self, forward: Forward, groups: Sequence[Objective], size: Sequence[int], config: AscentConfig, copies: int = 1
    ) -> None:

        self.groups, self.size, self.copies = tuple(groups), tuple(size), copies
        self.config, self.forward = config, forward
        self.layers = tuple(dict.fromkeys(name for o in self.groups for name in o.layers))
        # One trace for every chunk of steps and of objectives: everything that varies is an argument. Nothing here branches on values,
        # so AutoGraph, which would read these sources again, stays out.
        self._run = _graph_function(self._chunk)
        self._draw = _graph_function(self.pictures)

    @property
    def count(self) -> int:
        """F, the number of pictures."""
        return len(self.groups) * self.copies

    def start(self, seeds: Sequence[int]) -> State:
        """Make the state before the first step.

        Args:
            seeds: one for each copy, so that every objective begins with the same noise.

        Returns:
            The state; its arrays are tensors.
        """
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        each = [self.config.parameterization.start(self.size, np.random.default_rng(seed)) for seed in seeds]
        variables = tf.constant(np.tile(np.stack(each), (len(self.groups), 1)))
        return State(variables, tf.zeros_like(variables), tf.zeros_like(variables))

    def pictures(self, variables: Any, starts: Any) -> Any:
        """Compute the pictures of variables, as a graph.

        Args:
            variables: (F, D) tensor.
            starts: (F, h, w, c) in 0..1, the pictures of zero variables.

        Returns:
            (F, h, w, c) tensor in 0..1.
        """
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        odds = tf.math.log(starts / (1.0 - starts))
        return tf.sigmoid(odds + SLOPE * self.config.parameterization.offset(variables, self.size))

    def draw(self, state: State, starts: np.ndarray) -> np.ndarray:
        """Compute the pictures of a state.

        Args:
            state: where the ascent stands.
            starts: (F, h, w, c) in 0..1.

        Returns:
            (F, h, w, c) float32 in 0..1.
        """
        return self._draw(state.variables, inside(starts)).numpy()  # type: ignore[no-any-return]

    def ascend(
        self,
        state: State,
        starts: np.ndarray,
        bound: Sequence[Sequence[np.ndarray]],
        weights: Sequence[Sequence[float]],
        seed: int,
        steps: int,
    ) -> tuple[State, np.ndarray]:
        """Continue from a state.

        Args:
            state: where the ascent stands.
            starts: (F, h, w, c) in 0..1, the pictures of zero variables.
            bound: the parameters of each objective's terms, from `objectives.bind`, for objectives with the same terms as those that the
                ascent was made for.
            weights: the weights of each objective's terms.
            seed: of the random views.
            steps: how many steps to do now.

        Returns:
            The new state, and the objective before each step, without regularizers: (steps, F) float32.
        """
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        with convolution_precision(self.config.precision):
            variables, first, second, trace = self._run(
                state.variables, state.first, state.second, inside(starts), [list(map(tf.constant, b)) for b in bound],
                [tf.constant(w, tf.float32) for w in weights], tf.constant(seed), tf.constant(state.done), tf.constant(steps),
            )  # fmt: skip
        return State(variables, first, second, state.done + steps), trace.numpy()

    def _chunk(
        self,
        variables: Any,
        first: Any,
        second: Any,
        starts: Any,
        bound: Any,
        weights: Any,
        seed: Any,
        done: Any,
        steps: Any,
    ) -> Any:
        from ferviz.engines.backend import tensorflow

        tf = tensorflow()
        trace = tf.TensorArray(tf.float32, steps, element_shape=(self.count,))

        def body(i: Any, variables: Any, first: Any, second: Any, trace: Any) -> Any:
            step = done + i
            values, cost = self._values(variables, starts, bound, weights, tf.stack([seed, step]))
            gradient = tf.gradients(tf.reduce_sum(values - cost), variables)[0]
            rate = self._learning_rate(tf, step)
            if self.config.normalized:
                size = tf.sqrt(tf.reduce_mean(tf.square(gradient), 1, keepdims=True)) + TINY
                variables = variables + rate * gradient / size
            else:
                first = FIRST_DECAY * first + (1.0 - FIRST_DECAY) * gradient
                second = SECOND_DECAY * second + (1.0 - SECOND_DECAY) * tf.square(gradient)
                t = tf.cast(step + 1, tf.float32)
                move = (first / (1.0 - FIRST_DECAY**t)) / (tf.sqrt(second / (1.0 - SECOND_DECAY**t)) + EPSILON)
                variables = variables + rate * move
            return i + 1, variables, first, second, trace.write(i, values)

        _, variables, first, second, trace = tf.while_loop(
            lambda i, *_: i < steps, body, (tf.constant(0), variables, first, second, trace), parallel_iterations=1
        )
        return variables, first, second, trace.stack()

    def _values(self, variables: Any, starts: Any, bound: Any, weights: Any, seed: Any) -> Any:
        """-> the objectives (F,) and the costs (F,)."""
        from ferviz.engines.backend import tensorflow

        tf, config = tensorflow(), self.config
        pictures = self.pictures(variables, starts)
        pictures.set_shape((self.count, *self.size))
        smoothed = self._smoothed(tf, pictures, seed[1]) if config.smooth else pictures
        samples = config.transforms.apply(smoothed, config.samples, seed, self.copies)
        tensors = self.forward(samples, self.layers)
        # Splitting once is cheap both ways; slicing would pad a full-size gradient for each objective.
        parts = {
            name: tf.split(_grouped(tf, tensor, self.count, config.samples), len(self.groups))
            for name, tensor in tensors.items()
        }
        values = [
            objective.value({name: parts[name][g] for name in objective.layers}, bound[g], weights[g])
            for g, objective in enumerate(self.groups)
        ]
        objectives = tf.concat(values, 0)
        cost = config.regularizers.cost(pictures, starts, objectives)
        return objectives, cost + config.parameterization.penalty(variables, self.size)

    def _smoothed(self, tf: Any, pictures: Any, step: Any) -> Any:
        """-> the pictures as they are; the gradient that flows back through them is blurred."""
        left = 1.0 - tf.cast(step, tf.float32) / self.config.steps
        deviation = tf.fill((self.count,), left * self.config.smooth * self.size[0] / 48.0)

        @tf.custom_gradient
        def same(x: Any) -> Any:
            return tf.identity(x), lambda upstream: blurred(upstream, deviation)

        return same(pictures)

    def _learning_rate(self, tf: Any, step: Any) -> Any:
        config = self.config
        if config.settle <= 0:
            return config.learning_rate
        left = (1.0 - tf.cast(step, tf.float32) / config.steps) / config.settle
        return config.learning_rate * 0.5 * (1.0 - tf.cos(np.pi * tf.clip_by_value(left, LAST_RATE, 1.0)))


def _graph_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors that runs as a graph also while another thread traces a network, when TensorFlow runs every `tf.function`
    as plain Python."""
    from ferviz.engines.backend import tensorflow

    compiled = tensorflow().function(function, autograph=False)
    return lambda *tensors: compiled.get_concrete_function(*tensors)(*tensors)


def _grouped(tf: Any, tensor: Any, count: int, samples: int) -> Any:
    shape = [count, samples, *tensor.shape[1:]]
    grouped = tf.reshape(tensor, tf.concat([[count, samples], tf.shape(tensor)[1:]], 0))
    grouped.set_shape(shape)
    return grouped
