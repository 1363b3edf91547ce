"""The compiled file: what is written is read, and nothing else is."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ferviz.engines.fallback import FallbackEngine
from ferviz.engines.litert import LiteRTEngine
from ferviz.errors import ModelError, OutputExistsError, UnknownNameError, UsageError
from ferviz.models.compiled.compile import compile_model, open_compiled
from ferviz.models.compiled.file import CompiledModel, read_compiled, write_compiled
from ferviz.models.input_spec import InputSpec
from ferviz.models.model import Model

LABELS = ("angry", "happy", "sad", "fear")
TRAILER = struct.Struct("<8sIIQQ32s")


@pytest.fixture(scope="module")
def model(engine: Any) -> Model:
    spec = InputSpec(
        18, 18, 1, "standardize", mean=np.full((18, 18), 0.4, "float32"), std=0.25, unit=255, assumed=("scaling",)
    )
    return Model("small", "ab" * 32, LABELS, spec, engine("functional"), ("a note",))


@pytest.fixture(scope="module")
def compiled(model: Model) -> CompiledModel:
    return compile_model(model, layers=["relu2"])


@pytest.fixture
def written(compiled: CompiledModel, tmp_path: Path) -> Path:
    return write_compiled(tmp_path / "small.ferviz", compiled)


def faces(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 30, 24, 3)).astype(np.uint8)


def test_a_model_read_back_answers_as_the_one_that_was_compiled(model: Model, written: Path) -> None:
    back = open_compiled(written)
    assert (back.name, back.sha256, back.labels, back.notes, back.head) == (
        "small",
        "ab" * 32,
        LABELS,
        ("a note",),
        "softmax",
    )
    assert back.layers == model.layers
    assert back.default_layer() == model.default_layer()
    assert back.input.assumed == ("scaling",)
    assert isinstance(back.engine, LiteRTEngine)
    np.testing.assert_array_equal(back.preprocess(faces(3)), model.preprocess(faces(3)))
    np.testing.assert_allclose(back.probabilities(faces(3)), model.probabilities(faces(3)), atol=1e-5)
    assert read_compiled(written).versions["ferviz"]


def test_the_file_is_also_a_plain_litert_file(written: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    assert set(Interpreter(model_path=str(written)).get_signature_list()) == {"predict", "head", "picture", "guided"}


def test_labels_and_scaling_can_be_overridden(written: Path) -> None:
    back = open_compiled(written, labels="a,b,c,d", scaling="-1..1")
    assert back.labels == ("a", "b", "c", "d")
    assert (back.input.scaling, back.input.mean) == ("-1..1", None)
    with pytest.raises(UsageError, match="4 outputs"):
        open_compiled(written, labels="a,b,c")
    with pytest.raises(UsageError, match="scaling"):
        open_compiled(written, scaling="0..2")


def test_what_contradicts_the_file_is_a_caution_and_what_it_assumed_is_not(
    compiled: CompiledModel, written: Path, tmp_path: Path
) -> None:
    back = open_compiled(written, labels="a,b,c,d", scaling="-1..1")
    words = f"the labels contradict small, which says {', '.join(LABELS)}: a, b, c, d is used"
    assert back.cautions == (words,)  # the range was assumed, and is known now
    assert open_compiled(written, labels=",".join(LABELS)).cautions == ()
    sure = replace(compiled, input=replace(compiled.input, assumed=()))
    file = write_compiled(tmp_path / "sure.ferviz", sure)
    (told,) = open_compiled(file, scaling="-1..1").cautions
    assert told == f"the scaling contradicts small, which says {compiled.input.scaling}: -1..1 is used"
    guessed = replace(compiled, notes=("the file does not name its 4 outputs: a, b, c, d is assumed",))
    file = write_compiled(tmp_path / "guessed.ferviz", guessed)
    assert open_compiled(file, labels="d,c,b,a").cautions == ()


def test_an_existing_file_is_not_replaced_unless_forced(compiled: CompiledModel, written: Path, model: Model) -> None:
    with pytest.raises(OutputExistsError):
        write_compiled(written, compiled)
    with pytest.raises(OutputExistsError):
        compile_model(model, written)
    write_compiled(written, replace(compiled, name="other"), force=True)
    assert read_compiled(written).name == "other"
    assert [p.name for p in written.parent.iterdir()] == ["small.ferviz"]


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 40, 63, 64, 65, 4096, -200, -65, -64, -63, -8, -1])
def test_a_file_that_is_cut_off_is_one_sentence(written: Path, keep: int) -> None:
    whole = written.read_bytes()
    written.write_bytes(whole[:keep])
    with pytest.raises(ModelError) as caught:
        read_compiled(written)
    assert "\n" not in str(caught.value)
    assert "small.ferviz" in str(caught.value)


def test_every_flipped_bit_is_found(written: Path) -> None:
    whole = written.read_bytes()
    places = np.random.default_rng(1).integers(0, len(whole), 60).tolist() + list(range(len(whole) - 64, len(whole)))
    for place in places:
        if len(whole) - 64 + 12 <= place < len(whole) - 64 + 16:
            continue  # the four bytes that are reserved
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        written.write_bytes(damaged)
        with pytest.raises(ModelError):
            read_compiled(written)


def test_bytes_after_the_end_are_found(written: Path) -> None:
    written.write_bytes(written.read_bytes() + b"\0" * 64)
    with pytest.raises(ModelError, match="LiteRT file"):
        read_compiled(written)


def test_another_version_says_so(written: Path) -> None:
    whole = written.read_bytes()
    _, _, _, length, table, digest = TRAILER.unpack(whole[-64:])
    written.write_bytes(whole[:-64] + TRAILER.pack(b"FERVIZ\r\n", 2, 0, length, table, digest))
    with pytest.raises(ModelError, match="version 2, and this ferviz reads version 1; compile"):
        read_compiled(written)


def resigned(path: Path, change: Any) -> None:
    """Rewrite the table with a checksum that fits, as somebody who means harm would."""
    whole = path.read_bytes()
    _, version, _, length, table, _ = TRAILER.unpack(whole[-64:])
    document = json.loads(whole[length : length + table])
    text = change(document)
    text = json.dumps(document).encode() if text is None else text
    body = whole[:length] + text
    path.write_bytes(body + TRAILER.pack(b"FERVIZ\r\n", version, 0, length, len(text), hashlib.sha256(body).digest()))


def _set(*keys: Any) -> Any:
    *path, value = keys

    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("input", "height", 1 << 30),
        _set("input", "height", -1),
        _set("input", "height", True),
        _set("input", "channels", 2),
        _set("input", "scaling", "0..7"),
        _set("input", "mean", [[1, 2], [3]]),
        _set("input", "std", [0.0] * 18),
        _set("input", "unit", "255"),
        _set("input", "unit", 10**400),
        _set("input", "mean", {"a": 1}),
        _set("input", "mean", [10**400]),
        _set("input", "mean", [float("nan")]),
        _set("input", "std", [[None]]),
        _set("input", []),
        _set("labels", []),
        _set("labels", ["one"]),
        _set("labels", ["x"] * 20_000),
        _set("labels", [1, 2, 3, 4]),
        _set("labels", ["\ud800", "b", "c", "d"]),
        _set("versions", {"\ud800": "1"}),
        _set("sources", {"x" * 3000: "1"}),
        _set("labels", ["x" * 3000, "b", "c", "d"]),
        _set("layers", [["a"]]),
        _set("layers", [["relu2", "ReLU", [1, 1 << 40, 3], True, 0]]),
        _set("layers", [["relu2", "ReLU", [1] * 50, True, 0]]),
        _set("layers", [["relu2", "ReLU", "abc", True, 0]]),
        _set("activations", ["nowhere"]),
        _set("default", "nowhere"),
        _set("default", None),
        _set("head", "tail"),
        _set("refused", {"a": 1}),
        _set("name", 7),
        lambda document: document.clear(),
        lambda document: b"[" * 100_000,
        lambda document: b"[1]",
        lambda document: b"{",
        lambda document: b"\xff\xfe",
    ],
)
def test_a_table_that_asks_for_nonsense_is_one_sentence(written: Path, change: Any) -> None:
    resigned(written, change)
    with pytest.raises(ModelError, match=r"table of .*small\.ferviz") as caught:
        read_compiled(written)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        _set("input", "width", 4000),
        _set("labels", ["a", "b", "c", "d", "e"]),
        _set("activations", ["conv1"]),
        _set("gradients", ["conv1", "relu2"]),
        _set("default", "conv1"),
    ],
)
def test_a_table_that_does_not_fit_the_graphs_is_one_sentence(written: Path, change: Any) -> None:
    def shorter(document: Any) -> None:
        change(document)
        document["input"]["mean"] = document["input"]["std"] = None

    resigned(written, shorter)
    with pytest.raises(ModelError, match="compile it again"):
        LiteRTEngine(read_compiled(written).network)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + b"\0" * 500, b"\x1c\0\0\0TFL3" + b"\0" * 500, b"\0" * 64])
def test_other_files_are_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.ferviz"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.ferviz"):
        read_compiled(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_compiled(tmp_path / "missing.ferviz")
    with pytest.raises(ModelError, match="folder"):
        read_compiled(tmp_path)


def test_what_the_file_lacks_is_an_error_or_asked_of_keras(model: Model, written: Path) -> None:
    from ferviz.attribution.explain import explain

    alone = open_compiled(written)
    with pytest.raises(ModelError, match=r"conv1.*engine keras"):
        explain(alone, faces(1), layer="conv1")
    with pytest.raises(UnknownNameError, match="conv1"):
        explain(alone, faces(1), layer="conv11")
    both = open_compiled(written, load=lambda: model.engine)
    assert isinstance(both.engine, FallbackEngine)
    made = explain(both, faces(2), layer="conv1")
    assert made.settings["engine"] == "keras"
    assert any("conv1" in note and "Keras" in note for note in both.engine.notes)
    assert not any("Keras" in warning for warning in made.warnings)
    np.testing.assert_allclose(made.raw, explain(model, faces(2), layer="conv1").raw, rtol=1e-5)
    ours = explain(open_compiled(written), faces(2), target="all")
    assert ours.settings["engine"] == "litert"
    assert ours.warnings == explain(model, faces(2), target="all").warnings


def test_only_keras_networks_can_be_compiled(written: Path) -> None:
    with pytest.raises(ModelError, match="litert engine"):
        compile_model(open_compiled(written))
