"""Runs a copy of a module on batches of ours: where the module is (processor or GPU), in the order in memory that it takes, watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ferviz.engines.base import Array, PictureShape
from ferviz.engines.torch.call_recorder import CallRecorder, Run
from ferviz.engines.torch.module_copy import own_copy, put_channels_first, reason_of
from ferviz.engines.torch.torch_trace import TorchTrace, flat_tensors, trace
from ferviz.errors import FervizError, ModelError, UsageError


class ModuleRunner:
    """A module that is ready to run.

    The copy computes with the channels last in memory, which is faster for most networks and needs no transposing; a network that asks
    for another order (`x.view`) gets it.

    Args:
        source: any `nn.Module` that takes a batch of pictures (N, c, h, w) and returns one score a class.
        shape: (h, w, c) of its pictures; None for a side that is free.
        classes: K where it is known; it decides between several outputs.
        side: the side of the pictures that the network is tried on where its size is free.

    Attributes:
        module: the copy.
        trace: what its first run told.
        device: where it runs.

    Raises:
        ModelError: it cannot be copied, or cannot be run on such pictures, or returns something else than scores.
    """

    def __init__(self, source: Any, shape: PictureShape, classes: int | None, side: int) -> None:
        self.source, self.shape = source, shape
        self._recorder: CallRecorder | None = None
        self._single = False
        self._open(channels_last=True)
        height, width, channels = shape
        self.trace = self._first_run((height or side, width or side, channels), classes)

    def run(self, given: Any, run: Run, functions: bool) -> Any:
        """Run the network on pictures.

        Args:
            given: (N, h, w, c) float32, or a tensor as `tensor` makes it.
            run: what is watched.
            functions: watch functions too; those that decide about the logits are watched in any case.

        Returns:
            The logits (N, K); None where what is watched ended the run.
        """
        pictures = self.tensor(given) if isinstance(given, np.ndarray) else given
        t, logits = self.trace, []
        if t.end is not None:

            def end(number: int, kind: str, value: Any, output: Any) -> None:
                if number == t.end:
                    logits.append(value.clone())

            run.end = end
        result = None
        assert self._recorder is not None
        with self._recorder.watch(run, functions or run.guided or t.dropout or t.end is not None):
            result = self.module(pictures)
        if result is None:
            return None
        value = logits[0] if t.end is not None else list(flat_tensors(result))[t.output]
        value = value.reshape(len(pictures), t.classes)
        return value.clamp_min(torch.finfo(value.dtype).tiny).log() if t.probabilities else value

    def tensor(self, values: Array) -> Any:
        """Return numbers as a tensor of our own where the network is, maps with the channels first.

        Args:
            values: (N, h, w, c) or (N, ...).
        """
        tensor = torch.tensor(np.asarray(values, np.float32))
        if tensor.ndim == 4:
            tensor = tensor.permute(0, 3, 1, 2)
            if not self._channels_last:
                tensor = tensor.clone(memory_format=torch.contiguous_format)
        return tensor.to(self.device, self._dtype)

    def each(self, compute: Callable[..., tuple[Array, ...]], batch: Array, *more: Array) -> tuple[Array, ...]:
        """Compute arrays, for all pictures at once or, where the network takes only one, for each picture.

        Args:
            compute: takes a batch and what belongs to it, and returns arrays with one row a picture.
            batch: (N, h, w, c) float32.
            *more: further arguments of `compute`, one row a picture.

        Raises:
            UsageError: the pictures have another size than the network takes.
            ModelError: the network cannot be run on them.
        """
        batch = np.asarray(batch, np.float32)
        expected = self.shape
        if batch.ndim != 4 or any(
            want not in (None, have) for want, have in zip(expected, batch.shape[1:], strict=True)
        ):
            raise UsageError(
                f"the network takes pictures (N, {', '.join(str(d or 'any') for d in expected)}), got {batch.shape}"
            )
        count = len(batch)
        given = (batch, *more)
        if not count:
            given = tuple(np.zeros((1, *values.shape[1:]), np.float32) for values in given)
        try:
            if not self._single or len(given[0]) == 1:
                results = compute(*given)
            else:
                rows = [compute(*(values[n : n + 1] for values in given)) for n in range(count)]
                results = tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))
        except FervizError:
            raise
        except Exception as error:  # code of the network's own may raise anything
            raise self._failure(error, batch.shape) from error
        return results if count else tuple(values[:0] for values in results)

    def _open(self, channels_last: bool) -> None:
        if self._recorder is not None:
            self._recorder.close()
        module = own_copy(self.source)
        self.module = module.eval().requires_grad_(False)
        self._channels_last = channels_last
        if channels_last:
            self.module.to(memory_format=torch.channels_last)
        elif module is self.source:  # no copy, so the first attempt has changed it
            put_channels_first(module)
        values = next((v for v in (*module.parameters(), *module.buffers()) if v.is_floating_point()), torch.zeros(()))
        self.device, self._dtype = values.device, values.dtype
        for name, weight in module.state_dict().items():
            if weight.is_floating_point() and not weight.isfinite().all():
                raise ModelError(
                    f"the network {type(module).__name__} has weights that are not finite ({name}); training it went wrong, so "
                    "give it finite ones"
                )
        self._recorder = CallRecorder(self.module)

    def _first_run(self, shape: tuple[int, int, int], classes: int | None) -> TorchTrace:
        """Run the network as it should be, and where that fails with another order in memory, or with one picture at a time."""
        pictures = np.random.default_rng(0).random((2, *shape), np.float32)
        failure: BaseException | None = None
        for count, channels_last in ((2, True), (2, False), (1, False)):
            if channels_last is not self._channels_last:
                self._open(channels_last)
            self._single = count == 1
            try:
                assert self._recorder is not None
                return trace(self._recorder, self.module, self.tensor(pictures[:count]), classes)
            except FervizError:
                raise
            except Exception as error:  # code of the network's own may raise anything
                failure = failure or error
        raise self._failure(failure or RuntimeError(), shape)

    def _failure(self, error: BaseException, shape: Sequence[int]) -> ModelError:
        if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
            return ModelError(
                f"the network {type(self.source).__name__} needs more memory than there is; take a smaller batch_size"
            )
        height, width, channels = shape[-3:]
        return ModelError(
            f"the network {type(self.source).__name__} cannot be run on pictures of {height} x {width} x {channels}: {reason_of(error)}"
        )


def array(tensor: Any) -> Array:
    """Return a tensor as float32 numbers, maps with the channels last.

    Args:
        tensor: (N, C, h, w) or (N, ...), of any kind of floats.
    """
    values = tensor.detach().to(torch.float32).cpu()
    if values.ndim == 4:
        values = values.permute(0, 2, 3, 1)
    return np.ascontiguousarray(values.numpy())
