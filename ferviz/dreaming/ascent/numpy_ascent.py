"""The ascent in NumPy: Adam over gradients that come from an engine, so that whatever has gradients can dream.

Everything outside the network (objectives, parameterizations, views, scaling, regularizers) is differentiated by hand; the network's own
part comes from `Engine.gradients`. It walks exactly as `CompiledAscent` does, but its random views have another source.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from ferviz.dreaming.ascent.engine_network import EngineNetwork
from ferviz.dreaming.objectives import Objective
from ferviz.dreaming.parameterizations.parameterization import SLOPE, Vjp
from ferviz.dreaming.transforms import blur_band, blurred_by
from ferviz.numerics import sigmoid


class NumpyAscent:
    """An ascent on any engine, for pictures of one size.

    Args:
        network: the network.
        groups: the objectives that are dreamt side by side, each with `copies` pictures, so that there are
            F = len(groups) * copies pictures in the order objective by objective.
        config: what the ascent changes and how it walks.
        copies: pictures per objective.
    """

    def __init__(
        self, network: EngineNetwork, groups: Sequence[Objective], config: AscentConfig, copies: int = 1
    ) -> None:
        self.network, self.groups, self.config, self.copies = network, tuple(groups), config, copies
        self.layers = tuple(dict.fromkeys(name for o in self.groups for name in o.layers))

    def start(self, seeds: Sequence[int]) -> State:
        """Make the state before the first step.

        Args:
            seeds: one for each copy, so that every objective begins with the same noise.

        Returns:
            The state.
        """
        size, parameterization = self.network.size, self.config.parameterization
        each = [parameterization.start(size, np.random.default_rng(seed)) for seed in seeds]
        variables = np.tile(np.stack(each), (len(self.groups), 1))
        return State(variables, np.zeros_like(variables), np.zeros_like(variables))

    def draw(self, state: State, starts: np.ndarray) -> np.ndarray:
        """Compute the pictures of a state.

        Args:
            state: where the ascent stands.
            starts: (F, h, w, c) in 0..1.

        Returns:
            (F, h, w, c) float32 in 0..1.
        """
        return self._pictures(state.variables, inside(starts))[0]

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
            bound: the parameters of each objective's terms, from `objectives.bind`.
            weights: the weights of each objective's terms.
            seed: of the random views.
            steps: how many steps to do now.

        Returns:
            The new state, and the objective before each step, without regularizers: (steps, F) float32.

        Raises:
            ModelError: where the engine or an objective has no gradients.
        """
        variables, first, second, trace = state.variables, state.first, state.second, []
        for step in range(state.done, state.done + steps):
            values, gradient = self._values(variables, inside(starts), bound, weights, (seed, step))
            trace.append(values)
            rate = np.float32(self._learning_rate(step))
            if self.config.normalized:
                variables = variables + rate * gradient / (np.sqrt(np.square(gradient).mean(1, keepdims=True)) + TINY)
                continue
            first = FIRST_DECAY * first + (1.0 - FIRST_DECAY) * gradient
            second = SECOND_DECAY * second + (1.0 - SECOND_DECAY) * np.square(gradient)
            largest = np.sqrt(second / (1.0 - SECOND_DECAY ** (step + 1))) + EPSILON
            variables = variables + rate * (first / (1.0 - FIRST_DECAY ** (step + 1))) / largest
        return State(variables, first, second, state.done + steps), np.stack(trace)

    def _pictures(self, variables: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, Vjp]:
        """-> the pictures, and from the gradient at them to that at the variables."""
        offset, offset_vjp = self.config.parameterization.offset_vjp(variables, self.network.size)
        pictures = sigmoid(np.log(starts / (1.0 - starts)) + np.float32(SLOPE) * offset).astype(np.float32)
        slopes = np.float32(SLOPE) * pictures * (1.0 - pictures)
        return pictures, lambda gradient: offset_vjp(gradient * slopes)

    def _values(
        self,
        variables: np.ndarray,
        starts: np.ndarray,
        bound: Sequence[Sequence[np.ndarray]],
        weights: Sequence[Sequence[float]],
        seed: tuple[int, int],
    ) -> tuple[np.ndarray, np.ndarray]:
        """-> the objectives (F,), and the gradient of objectives minus costs at the variables (F, D)."""
        config, network = self.config, self.network
        pictures, pictures_vjp = self._pictures(variables, starts)
        random = np.random.default_rng(seed)
        views, views_vjp = config.transforms.apply_vjp(pictures, config.samples, random, self.copies)
        batch, batch_vjp = network.preprocess(views)
        values, at_tensors = self._objectives(network.tensors(batch, self.layers), bound, weights)
        gradient = views_vjp(batch_vjp(network.gradient(batch, at_tensors)))
        if config.smooth:
            gradient = self._smoothed(gradient, seed[1])
        gradient = gradient - config.regularizers.cost_gradient(pictures, starts, values)
        return values, pictures_vjp(gradient) - config.parameterization.penalty_gradient(variables, network.size)

    def _objectives(
        self, tensors: dict[str, np.ndarray], bound: Sequence[Sequence[np.ndarray]], weights: Sequence[Sequence[float]]
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """-> the objectives (F,), and their gradients at the tensors (F * S, ...)."""
        shape = (len(self.groups), self.copies, self.config.samples)
        grouped = {name: tensor.reshape(*shape, *tensor.shape[1:]) for name, tensor in tensors.items()}
        gradients = {name: np.zeros(tensor.shape, np.float32) for name, tensor in grouped.items()}
        values: list[Any] = []
        for g, objective in enumerate(self.groups):
            own = {name: grouped[name][g] for name in objective.layers}
            value, at = objective.value_and_gradients(own, bound[g], weights[g])
            values.append(value)
            for name, gradient in at.items():
                gradients[name][g] = gradient
        return np.concatenate(values), {name: g.reshape(tensors[name].shape) for name, g in gradients.items()}

    def _smoothed(self, gradient: np.ndarray, step: int) -> np.ndarray:
        height, width, _ = self.network.size
        deviation = (1.0 - step / self.config.steps) * self.config.smooth * height / 48.0
        return blurred_by(gradient, blur_band(height, deviation), blur_band(width, deviation))

    def _learning_rate(self, step: int) -> float:
        config = self.config
        if config.settle <= 0:
            return config.learning_rate
        left = (1.0 - step / config.steps) / config.settle
        return config.learning_rate * 0.5 * (1.0 - float(np.cos(np.pi * np.clip(left, LAST_RATE, 1.0))))
