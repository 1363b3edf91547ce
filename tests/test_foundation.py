"""errors, registry, emotions and files."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys

import numpy as np
import pytest

import ferviz
from ferviz import errors, files, manifests, npz
from ferviz.emotions import FER2013, SCHEMES, canonical, label_scheme
from ferviz.registry import Registry


def leaves(base):
    yield base
    for child in base.__subclasses__():
        yield from leaves(child)


def test_exit_codes_are_those_of_the_documentation():
    classes = list(leaves(errors.FervizError))
    assert {e.__module__ for e in classes if e.__module__.startswith("ferviz")} == {"ferviz.errors"}
    codes = {e.__name__: e.exit_code for e in classes if e.__module__ == "ferviz.errors"}
    tree = re.findall(r"(\w+Error) +(\d) ", errors.__doc__)
    assert {name: int(code) for name, code in tree} == codes
    assert codes == {
        "FervizError": 1, "UsageError": 2, "UnknownNameError": 2, "PictureError": 3, "ModelError": 4,
        "UntrustedModelError": 4, "NotCompiledError": 4, "NotFiniteError": 4,
        "NoFaceError": 5, "DataError": 6, "OutputError": 1, "OutputExistsError": 7,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["x" * 9000, "\x1b" * 9000, "x" * 2999 + "\u202e"])
def test_messages_have_a_length_that_can_be_read(text):
    assert len(str(errors.ModelError(text))) == 3000
    assert str(errors.ModelError("a\nb")) == "a\\nb"


def test_unknown_name_lists_what_is_there_and_guesses():
    error = errors.UnknownNameError("layer", "conv9", ["conv1", "conv2"], where="this model")
    for words in ("layer 'conv9'", "this model", "conv1, conv2", "did you mean 'conv2'?"):
        assert words in str(error)
    assert "method 'zzz'" in str(errors.UnknownNameError("method", "zzz", []))
    many = str(errors.UnknownNameError("layer", "x", [f"layer{i}" for i in range(300)], where="this model"))
    assert "276 more" in many
    assert "layer299" in many


def test_registry_loads_lazily_and_suggests():
    registry: Registry = Registry("detector")
    registry.add("lazy", "by address", "ferviz.files:sha256")
    registry.register("eager", "by object")(len)
    assert list(registry) == ["lazy", "eager"]
    assert registry["lazy"] is files.sha256
    assert registry["eager"] is len
    assert registry.summaries() == {"lazy": "by address", "eager": "by object"}
    with pytest.raises(errors.UnknownNameError, match="did you mean 'eager'"):
        registry["eagre"]
    with pytest.raises(ValueError, match="registered already"):
        registry.add("lazy", "again", "ferviz.manifests:to_json")


def test_schemes_map_fer2013():
    assert SCHEMES["7"].from_fer == tuple(range(7))
    alphabetical = SCHEMES["7-alphabetical"]
    assert [alphabetical.labels[i] for i in alphabetical.from_fer] == list(FER2013)
    merged = SCHEMES["6-merged"]
    assert merged.labels[merged.from_fer[1]] == "angry"
    assert SCHEMES["6-dropped"].from_fer[1] == -1
    assert SCHEMES["positive-negative"].from_fer == (0, 0, 0, 1, 0, -1, -1)


def test_label_schemes_lists_the_named_schemes():
    assert ferviz.label_schemes()["7"] == FER2013
    assert all(label_scheme(name).labels == labels for name, labels in ferviz.label_schemes().items())


def test_scheme_takes_names_synonyms_and_subsets():
    assert label_scheme("7") is SCHEMES["7"]
    assert label_scheme(["Anger", "Disgusted", "Fear", "Happiness", "Sadness", "Surprised", "Neutral"]) is SCHEMES["7"]
    assert label_scheme("happy,sad").from_fer == (-1, -1, -1, 0, 1, -1, -1)
    assert canonical(" Very_Angry ") == "very-angry"
    with pytest.raises(errors.UnknownNameError, match="6-merged"):
        label_scheme("6-merge")
    for bad in ("happy,happy", "happy,joy", "happy,"):
        with pytest.raises(errors.UsageError):
            label_scheme(bad)


def test_atomic_keeps_the_old_file_when_the_work_fails(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), files.atomic(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
    with files.atomic(target) as temporary:
        assert temporary.suffix == ".txt"
        temporary.write_text("new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_atomic_refuses_what_it_should(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(errors.OutputExistsError, match="--force"), files.atomic(target, force=False):
        pass
    with pytest.raises(errors.OutputError, match="is a folder"), files.atomic(tmp_path):
        pass
    with pytest.raises(errors.OutputError, match="is not there"), files.atomic(tmp_path / "no" / "out.txt"):
        pass


def test_atomic_gives_ordinary_permissions(tmp_path):
    umask = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a.txt", "x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_npz_holds_arrays_and_manifest(tmp_path):
    npz.write_npz(tmp_path / "a.npz", {"heatmaps": np.eye(3, dtype=np.float32)}, manifests.manifest(seed=7))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        assert read["heatmaps"].dtype == np.float32
        assert np.array_equal(read["heatmaps"], np.eye(3))
        manifest = json.loads(str(read["manifest"]))
    assert manifest["seed"] == 7
    assert manifest["versions"]["numpy"] == np.__version__


def test_json_is_plain_and_strict():
    value = {"a": np.float32(0.5), "b": np.arange(2), "c": float("nan"), "d": (1, files.Path("x")), "e": np.bool_(True)}
    assert json.loads(manifests.to_json(value)) == {"a": 0.5, "b": [0, 1], "c": None, "d": [1, "x"], "e": True}


def test_sha256_of_a_folder_sees_names_and_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    first = files.sha256(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert files.sha256(tmp_path) != first


def test_every_public_name_is_there():
    for name in ferviz.__all__:
        assert getattr(ferviz, name) is not None, name
    with pytest.raises(AttributeError):
        ferviz.nonsense  # noqa: B018


def test_import_and_help_are_light():
    heavy = ["tensorflow", "keras", "matplotlib", "cv2", "rich", "scipy", "PIL"]
    code = (
        "import sys, ferviz; from ferviz.cli import run; code = run(['--help']); dir(ferviz);"
        f"print('HEAVY', [m for m in {heavy!r} if m in sys.modules], code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY [] 0"
