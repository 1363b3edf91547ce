"""What a notebook user mistypes ends in one sentence."""

from __future__ import annotations

import numpy as np
import pytest

import ferviz
from ferviz.attribution.methods.registry import METHODS
from ferviz.errors import UnknownNameError, UsageError

GREY = np.full((48, 48), 90, np.uint8)


@pytest.fixture(scope="module")
def model():
    return ferviz.load_model()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"method": "smoothgrad", "samples": "many"}, "the setting samples takes a whole number, not 'many'"),
        ({"method": "smoothgrad", "samples": True}, "the setting samples takes a whole number, not True"),
        ({"method": "smoothgrad", "noise": "loud"}, "the setting noise takes a number, not 'loud'"),
        ({"method": "integrated-gradients", "steps": 2.5}, "the setting steps takes a whole number, not 2.5"),
        ({"relu": "maybe"}, "the setting relu takes true or false, not 'maybe'"),
        ({"relu": 1}, "the setting relu takes true or false, not 1"),
        ({"method": "smoothgrad", "seed": -1}, "seed must be a whole number of 0 or more, not -1"),
        ({"method": "occlusion", "stride": 0}, "stride must be a whole number of 1 or more, not 0"),
        ({"method": "occlusion", "patch": "big"}, "patch must be a whole number of 1 or more, not 'big'"),
        ({"batch_size": 1.5}, "batch_size must be a whole number of 1 or more, not 1.5"),
        ({"batch_size": 0}, "batch_size must be a whole number of 1 or more, not 0"),
        ({"target": "happy-happy"}, "'happy-happy' weighs nothing"),
        ({"target": "predicted-predicted"}, "weighs nothing"),
        ({"target": "2*sad-sad-sad"}, "weighs nothing"),
        ({"layer": 3}, "layer '3' is not in this model"),
        ({"target": "everything"}, "neutral, predicted, all"),
    ],
)
def test_arguments_that_make_no_sense(model, arguments, says):
    with pytest.raises(UsageError) as caught:
        ferviz.explain(model, GREY, **arguments)
    assert says in str(caught.value)


@pytest.mark.parametrize("target", ["ALL", "Predicted", "Happy", "2*happy-sad"])
def test_targets_that_do(model, target):
    assert ferviz.explain(model, GREY, target=target).heatmaps.shape[1] == (7 if target == "ALL" else 1)


@pytest.mark.parametrize("call", [ferviz.explain, ferviz.activations])
@pytest.mark.parametrize("instead", ["my.h5", GREY, None])
def test_a_model_that_was_not_loaded(call, instead):
    with pytest.raises(UsageError, match=r"call ferviz.load_model first"):
        call(instead, GREY)


def test_weights_go_with_an_architecture_alone():
    with pytest.raises(UsageError, match=r"bundled.keras has its weights already"):
        ferviz.load_model(weights="w.h5")


def test_any_tensor_is_an_array(model):
    class Tensor:
        dtype, shape = np.uint8, GREY.shape

        def __array__(self, dtype=None, copy=None):
            return GREY

    np.testing.assert_array_equal(ferviz.explain(model, Tensor()).raw, ferviz.explain(model, GREY).raw)


def test_settings_are_checked_by_their_defaults():
    settings = METHODS["rise"].resolve_settings({"masks": np.int64(8), "keep": 1})
    assert settings == {"masks": 8, "cells": 6, "keep": 1, "fill": "mean"}
    with pytest.raises(UnknownNameError, match=r"setting 'mask' is not in this method.*did you mean 'masks'"):
        METHODS["rise"].resolve_settings({"mask": 8})
