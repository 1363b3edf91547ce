"""Files made to do harm, and files that were damaged: one named error each; no code runs, nothing hangs."""

from __future__ import annotations

import base64
import contextlib
import json
import marshal
import os
import zipfile

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ferviz.errors import ModelError, UntrustedModelError
from ferviz.models.formats import detect, hdf5_sandbox, read
from ferviz.models.formats.allowlist import check_config
from ferviz.models.formats.legacy.upgrade import upgrade_config
from ferviz.models.load import load_model


def payload(sentinel) -> str:
    """Bytecode of a function that touches `sentinel`, as Keras stores Python lambdas."""
    code = compile(f"lambda x: [open({str(sentinel)!r}, 'w').close(), x][1]", "lambda", "eval").co_consts[0]
    return base64.b64encode(marshal.dumps(code)).decode()


def refused(path, match, error=UntrustedModelError):
    with pytest.raises(error, match=match) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_lambda_in_h5_runs_nothing(tmp_path, old_h5):
    sentinel = tmp_path / "touched"
    config = {"class_name": "Sequential", "config": [
        {"class_name": "Lambda", "config": {"name": "evil", "batch_input_shape": [None, 8, 8, 1], "function_type": "lambda",
                                            "function": [payload(sentinel), None, None], "output_shape_type": "raw",
                                            "output_shape": None, "arguments": {}}},
        {"class_name": "Flatten", "config": {"name": "f"}},
        {"class_name": "Dense", "config": {"name": "d", "units": 2}}]}  # fmt: skip
    weights = {"d": [("d/kernel:0", np.zeros((64, 2), np.float32)), ("d/bias:0", np.zeros(2, np.float32))]}
    path = old_h5(tmp_path / "evil.h5", config, weights)
    refused(path, r"Lambda \(layer 'evil'\).*Python code.*--trust")
    assert not sentinel.exists()
    load_model(path, trust=True, engine="keras").engine.logits(np.zeros((1, 8, 8, 1), np.float32))
    assert sentinel.exists(), "the payload of this test does nothing, so it shows nothing"


def lambda_layer(sentinel) -> dict:
    function = {"class_name": "__lambda__", "config": {"code": payload(sentinel), "defaults": None, "closure": None}}
    settings = {"name": "evil", "function": function, "arguments": {}}
    return {"module": "keras.layers", "class_name": "Lambda", "config": settings, "registered_name": None}


def insert(layer):
    return lambda config: config["config"]["layers"].insert(2, layer)


def test_lambda_in_a_keras_file_runs_nothing(tmp_path, rewritten):
    sentinel = tmp_path / "touched"
    refused(rewritten(insert(lambda_layer(sentinel))), "Lambda")
    assert not sentinel.exists()


HIDDEN = {
    "nested network": lambda evil: {"class_name": "Sequential", "module": "keras", "config": {"name": "n", "layers": [evil]}},
    "wrapper": lambda evil: {"class_name": "TimeDistributed", "module": "keras.layers", "config": {"name": "t", "layer": evil}},
    "activation": lambda evil: {"class_name": "Dense", "module": "keras.layers", "config": {"name": "d", "units": 2, "activation": evil}},
    "unknown setting": lambda evil: {"class_name": "Dense", "module": "keras.layers", "config": {"name": "d", "units": 2, "extra": [evil]}},
}  # fmt: skip


@pytest.mark.parametrize("place", HIDDEN)
def test_lambda_is_found_wherever_it_hides(tmp_path, rewritten, place):
    sentinel = tmp_path / "touched"
    refused(rewritten(insert(HIDDEN[place](lambda_layer(sentinel)))), "Lambda")
    assert not sentinel.exists()


def test_initialisers_are_never_made(tmp_path, rewritten):
    sentinel = tmp_path / "touched"

    def change(config):
        for layer in config["config"]["layers"]:
            layer["config"]["kernel_initializer"] = lambda_layer(sentinel)

    load_model(rewritten(change), engine="keras")
    assert not sentinel.exists()


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {"name": "x", "filepath": "/tmp"}}, "TFSMLayer.*another file"),
        ({"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {"name": "x", "module": "gASV"}}, "TorchModuleWrapper"),
        ({"module": "keras.layers", "class_name": "StringLookup", "config": {"name": "x", "vocabulary": "/etc/passwd"}}, "StringLookup"),
        ({"module": "os", "class_name": "system", "config": {"name": "x"}}, "system"),
        ({"module": "keras.utils", "class_name": "get_file", "config": {"name": "x"}}, "get_file"),
        ({"module": "builtins", "class_name": "function", "config": "exec"}, "function"),
        ({"module": "my", "class_name": "Attention2", "registered_name": "my>Attention2", "config": {"name": "x"}}, "my>Attention2"),
        ({"module": "keras.layers", "class_name": "Dense", "registered_name": "my>Dense", "config": {"name": "x"}}, "my>Dense"),
        ({"class_name": "__typespec__", "spec_name": "x", "module": "os", "registered_name": None, "config": {}}, "typespec"),
        ({"registered_name": "my>thing", "config": {}}, "my>thing"),
        ({"class_name": ["Dense"], "config": {}}, "Dense"),
    ],
)  # fmt: skip
def test_what_is_not_keras_own_is_refused(rewritten, layer, match):
    refused(rewritten(insert(layer)), match)


def test_trust_lets_a_registered_class_in(rewritten):
    from ferviz.engines.backend import keras as get_keras

    keras = get_keras()

    class Twice(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    layer = {"module": None, "class_name": "Twice", "registered_name": "tests>Twice", "config": {"name": "twice"}}
    path = rewritten(insert(layer))
    with keras.saving.custom_object_scope({"tests>Twice": Twice}):
        refused(path, "tests>Twice")
        assert load_model(path, trust=True, engine="keras").layer("twice").kind == "Twice"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: c["config"]["layers"][4]["config"].update(units=10**9), "units = 1e"),
        (lambda c: c["config"]["layers"][4]["config"].update(units=2**19), "weights"),
        (lambda c: c["config"]["layers"][0]["config"].update(batch_shape=[None, 5000, 5000, 1]), "4998"),
        (lambda c: c["config"]["layers"].insert(1, {"class_name": "UpSampling2D", "config": {"name": "up", "size": [9999, 9999]}}), "up"),
    ],
)  # fmt: skip
def test_sizes_that_fill_the_memory(rewritten, change, match):
    def only(config):
        change(config)

    refused(rewritten(only), match, ModelError)


def test_too_many_layers_and_too_deep():
    layers = [{"class_name": "Flatten", "config": {"name": "f"}}] * 6000
    with pytest.raises(ModelError, match="more than 2000 layers"):
        check_config(upgrade_config({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})[0], "file")
    deep: list = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(ModelError, match="deep"):
        check_config({"config": deep}, "file")


def test_deeply_nested_json(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text('{"class_name": "Sequential", "config": ' + "[" * 200_000 + "]" * 200_000 + "}")
    refused(path, "deep", ModelError)


# -- no regular file ---------------------------------------------------------------------------------------------------


def test_places_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5")
    (tmp_path / "empty.h5").touch()
    (tmp_path / "folder.keras").mkdir()
    for name, match in (
        ("pipe.h5", "regular file"),
        ("empty.h5", "empty"),
        ("folder.keras", "folder"),
        ("missing.h5", "cannot be read"),
    ):
        refused(tmp_path / name, match, ModelError)
    for address in ("hf://somebody/network", "gs://bucket/a.keras", "https://example.org/a.h5"):
        refused(address, "URL", ModelError)
    refused("/dev/zero", "regular file", ModelError)
    refused("a\0b.h5", "cannot be read", ModelError)


def test_a_huge_file_is_refused_unread(tmp_path):
    with (tmp_path / "huge.h5").open("wb") as file:
        file.truncate(3 * 1024**3)  # takes no room on the disk
    refused(tmp_path / "huge.h5", "3.0 GiB", ModelError)


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"hello", "neither"), (b"<!DOCTYPE html>", "web page"), (b"\x80\x04\x95abc", "pickle"), (b"PK\x03\x04junk", "zip"),
     (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS"), (b'{"a": 1}', "class_name"), (b"{", "damaged"),
     (b'{"class_name": "Sequential", "config": NaN}', "."), (b"[1, 2]", "neither")],
)  # fmt: skip
def test_other_contents(tmp_path, content, match):
    (tmp_path / "net.h5").write_bytes(content)
    refused(tmp_path / "net.h5", match, ModelError)


# -- HDF5 --------------------------------------------------------------------------------------------------------------


def changed_h5(small, tmp_path, change):
    path = tmp_path / "changed.h5"
    path.write_bytes(small["h5"].read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def kernel(file):
    return file["model_weights/conv"], "conv/kernel:0"


def external_link(file):
    group, name = kernel(file)
    del group[name]
    group[name] = h5py.ExternalLink("/etc/hostname", "/x")


def soft_link(file):
    group, name = kernel(file)
    del group[name]
    group[name] = h5py.SoftLink("/model_weights/conv/conv/bias:0")


def external_data(file):
    group, name = kernel(file)
    del group[name]
    group.create_dataset(name, (3, 3, 1, 4), np.uint8, external=[("/etc/hostname", 0, 36)])


def virtual_data(file):
    group, name = kernel(file)
    del group[name]
    layout = h5py.VirtualLayout((3, 3, 1, 4), np.float32)
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (3, 3, 1, 4))
    group.create_virtual_dataset(name, layout)


def shape_bomb(file):
    group, name = kernel(file)
    del group[name]
    group.create_dataset(name, (1 << 20, 1 << 20), np.float32, chunks=(1024, 1024), compression="gzip")


@pytest.mark.parametrize(
    ("change", "match"),
    [(external_link, "has a link"), (soft_link, "has a link"), (external_data, "another file"),
     (virtual_data, "another file"), (shape_bomb, "far more weights")],
)  # fmt: skip
def test_hdf5_that_reaches_out_or_blows_up(small, tmp_path, change, match):
    refused(changed_h5(small, tmp_path, change), match, ModelError)


def test_a_group_inside_itself_does_not_go_round(small, tmp_path):
    def change(file):
        file["model_weights/conv/loop"] = file["model_weights"]

    assert load_model(changed_h5(small, tmp_path, change), engine="keras").engine.classes == 3


def test_weights_without_an_architecture_anywhere(small, tmp_path):
    with h5py.File(tmp_path / "alone.h5", "w") as file:
        file.attrs["layer_names"] = [b"a"]
        file.create_group("a").attrs["weight_names"] = []
    refused(tmp_path / "alone.h5", "weights without an architecture", ModelError)


def test_a_byte_that_makes_the_library_loop(tmp_path, monkeypatch):
    """A length inside HDF5's heap of texts that leads nowhere: libhdf5 then reads for ever, and only another process can be ended."""
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file.attrs.create("model_config", "{}", dtype=h5py.string_dtype())
        file.attrs.create("keras_version", "2.12.0", dtype=h5py.string_dtype())
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    first = heap + 16  # index, references, reserved, then the length of the first text
    content[first + 8 : first + 16] = (2**64 - 16).to_bytes(8, "little")
    path.write_bytes(content)
    monkeypatch.setattr(hdf5_sandbox, "SECONDS", 1)
    refused(path, "cannot be read to its end in 1 s", ModelError)


def test_one_long_text_that_many_names_share(tmp_path):
    """Each of 60 names leads to the same 2 MB in HDF5's heap, so that 2 MB become 120 in memory."""
    path, long = tmp_path / "m.h5", b"x" * 2_000_000
    with h5py.File(path, "w") as file:
        file.attrs.create("layer_names", [long] + [b"y"] * 59, dtype=h5py.string_dtype())
    content = bytearray(path.read_bytes())
    first = content.index(len(long).to_bytes(4, "little") + content.index(b"GCOL").to_bytes(8, "little")[:1])
    reference = content[first : first + 16]  # length, address of the heap, number of the text
    content[first : first + 60 * 16] = reference * 60
    path.write_bytes(content)
    with h5py.File(path) as file:
        assert {len(name) for name in file.attrs["layer_names"]} == {len(long)}
    refused(path, "hold more text than a network's", ModelError)


# -- cut off, bits turned ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["keras", "h5"])
def test_cut_off_anywhere(small, tmp_path, form, monkeypatch):
    content = small[form].read_bytes()
    path = tmp_path / "cut"
    # The probe's own process takes most of the time here, and what it says comes from the same library.
    monkeypatch.setattr("ferviz.models.formats.keras_file.check_readable", lambda path: None)
    for cut in np.linspace(1, len(content) - 1, 50).astype(int):
        path.write_bytes(content[:cut])
        refused(path, ".", ModelError)


def test_bits_turned_in_the_zip_are_noticed(small, tmp_path, monkeypatch):
    content = small["keras"].read_bytes()
    monkeypatch.setattr("ferviz.models.formats.keras_file.check_readable", lambda path: None)
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(small["keras"]) as archive:
        start = archive.getinfo("config.json").header_offset + 60
    for at in rng.integers(start, start + 1000, 12):
        changed = bytearray(content)
        changed[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "turned.keras").write_bytes(changed)
        refused(tmp_path / "turned.keras", ".", ModelError)


def test_zip_bombs(tmp_path, rewritten):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (40 * 1024**2))
    refused(path, "unpacks to", ModelError)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {}}))
        archive.writestr("model.weights.h5", b"\0" * (64 * 1024**2))
    with pytest.raises(ModelError, match="unpacks to"):
        read.read_zip(path)
    refused(rewritten(**{"config.json": b"{}"}), "class_name", ModelError)
    assert detect.detect_format(path) == detect.ZIP


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(
        ["class_name", "config", "module", "registered_name", "layers", "name", "layer", "activation", "inbound_nodes",
         "input_layers", "batch_input_shape", "function", "axis", "mode", "dtype", "padding"]), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(config=JSON, kind=st.sampled_from(["Sequential", "Functional", "Model", "Dense", "Merge", "TFOpLambda", "Custom>Rescaling"]),
       version=st.sampled_from(["", "1.0", "2.3"]))  # fmt: skip
@example(config=[{"inbound_nodes": True}], kind="Functional", version="")
@example(config=[{"name": ["a", 0, 0], "module": {"axis": 1}}], kind="Functional", version="1.0")
def test_no_configuration_makes_anything_but_a_model_error(config, kind, version):
    # `damaged` would turn a TypeError into a ModelError; here the mends and the check themselves have to stand it.
    with contextlib.suppress(ModelError):
        check_config(upgrade_config({"class_name": kind, "config": config}, version)[0], "file")
