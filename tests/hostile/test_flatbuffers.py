"""Compiled networks that somebody changed: the verifier refuses them before the interpreter, and what it accepts does no harm."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import interpreter
from ai_edge_litert import schema_py_generated as schema

from ferviz import known_files, sandbox
from ferviz.cli import run
from ferviz.engines.base import LayerInfo
from ferviz.engines.compiled_network import CompiledNetwork
from ferviz.engines.litert import LiteRTEngine
from ferviz.engines.tflite import admission, tflite_child
from ferviz.engines.tflite.verify import verify
from ferviz.errors import ModelError
from ferviz.images import write_image
from ferviz.models.bundled import bundled_path
from ferviz.models.compiled.file import CompiledModel, read_compiled, write_compiled
from ferviz.models.input_spec import InputSpec

SIDE, CHANNELS, CLASSES = 6, 4, 3
Change = Callable[[Any], object]

# Tensors and operators of the network below, in their order.
PICTURE, KERNEL, BIAS, CONV, POOL, SHAPE, FLAT, MATRIX, LOGITS = range(9)
CONVOLUTION, POOLING, RESHAPING, DENSE = range(4)
CODES = (3, 1, 22, 9)


def network() -> Any:
    """Return a convolution, an average pooling, a reshape and a dense layer, as an object that can be changed."""
    random_numbers = np.random.default_rng(0)
    kernel = random_numbers.normal(size=(CHANNELS, 3, 3, 1)).astype("float32")
    matrix = random_numbers.normal(size=(CLASSES, CHANNELS)).astype("float32")
    constants = {
        KERNEL: kernel,
        BIAS: np.zeros(CHANNELS, "float32"),
        SHAPE: np.array([-1, CHANNELS], "int32"),
        MATRIX: matrix,
    }
    shapes = {
        PICTURE: (1, SIDE, SIDE, 1), KERNEL: kernel.shape, BIAS: (CHANNELS,), CONV: (1, SIDE, SIDE, CHANNELS),
        POOL: (1, 1, 1, CHANNELS), SHAPE: (2,), FLAT: (1, CHANNELS), MATRIX: matrix.shape, LOGITS: (1, CLASSES),
    }  # fmt: skip
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    graph.tensors, graph.inputs, graph.outputs = [], [PICTURE], [LOGITS, CONV]
    for index, shape in shapes.items():
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name = list(shape), 2 if index == SHAPE else 0, f"t{index}".encode()
        if index in constants:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(constants[index].tobytes(), np.uint8)
            tensor.buffer = len(model.buffers)
            model.buffers.append(buffer)
        else:
            tensor.shapeSignature = [-1, *shape[1:]]
        graph.tensors.append(tensor)
    model.operatorCodes = []
    for code in CODES:
        entry = schema.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        model.operatorCodes.append(entry)
    convolution, pooling, dense = schema.Conv2DOptionsT(), schema.Pool2DOptionsT(), schema.FullyConnectedOptionsT()
    convolution.strideW = convolution.strideH = convolution.dilationWFactor = convolution.dilationHFactor = 1
    pooling.strideW = pooling.strideH = pooling.filterWidth = pooling.filterHeight = SIDE
    links = (
        ([PICTURE, KERNEL, BIAS], [CONV], 1, convolution), ([CONV], [POOL], 5, pooling), ([POOL, SHAPE], [FLAT], 0, None),
        ([FLAT, MATRIX, -1], [LOGITS], 8, dense),
    )  # fmt: skip
    graph.operators = []
    for number, (inputs, outputs, kind, options) in enumerate(links):
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = number, inputs, outputs
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        graph.operators.append(operator)
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = b"predict", 0
    signature.inputs, signature.outputs = (
        [named(b"picture", PICTURE)],
        [named(b"logits", LOGITS), named(b"activation", CONV)],
    )
    model.signatureDefs = [signature]
    return model


def named(name: bytes, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry


def packed(change: Change | None = None) -> bytes:
    model = network()
    if change is not None:
        change(model)
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def compiled(content: bytes, **fields: Any) -> CompiledNetwork:
    layers = (LayerInfo("conv", "Conv2D", (SIDE, SIDE, CHANNELS), True, 40),)
    names = frozenset(["conv"])
    return CompiledNetwork(content, (SIDE, SIDE, 1), CLASSES, "linear", "conv", layers, names, frozenset(), **fields)


def tensor(index: int, **fields: Any) -> Change:
    return lambda model: vars(model.subgraphs[0].tensors[index]).update(fields)


def operator(index: int, **fields: Any) -> Change:
    return lambda model: vars(model.subgraphs[0].operators[index]).update(fields)


def options(index: int, **fields: Any) -> Change:
    return lambda model: vars(model.subgraphs[0].operators[index].builtinOptions).update(fields)


def graph(**fields: Any) -> Change:
    return lambda model: vars(model.subgraphs[0]).update(fields)


def code(index: int, number: int, name: bytes | None = None) -> Change:
    def change(model: Any) -> None:
        entry = model.operatorCodes[index]
        entry.builtinCode, entry.deprecatedBuiltinCode, entry.customCode = number, min(number, 127), name

    return change


def signature(**fields: Any) -> Change:
    return lambda model: vars(model.signatureDefs[0]).update(fields)


def constant(index: int, data: bytes) -> Change:
    return lambda model: setattr(
        model.buffers[model.subgraphs[0].tensors[index].buffer], "data", np.frombuffer(data, np.uint8)
    )


def quantised(index: int, **fields: Any) -> Change:
    def change(model: Any) -> None:
        entry = schema.QuantizationParametersT()
        entry.scale, entry.zeroPoint = [0.5], [0]
        vars(entry).update(fields)
        model.subgraphs[0].tensors[index].quantization = entry

    return change


def sparse(model: Any) -> None:
    model.subgraphs[0].tensors[KERNEL].sparsity = schema.SparsityParametersT()


def outside(model: Any) -> None:
    vars(model.buffers[1]).update(data=None, offset=1 << 20, size=144)


def leads_to_itself(model: Any) -> None:
    """A graph with a condition whose branches are that graph."""
    branches = schema.IfOptionsT()
    branches.thenSubgraphIndex = branches.elseSubgraphIndex = 0
    code(POOLING, 118)(model)
    tensor(CONV, type=6, shape=[1], shapeSignature=None)(model)
    vars(model.subgraphs[0]).update(operators=[model.subgraphs[0].operators[POOLING]], inputs=[CONV], outputs=[POOL])
    operator(0, builtinOptionsType=92, builtinOptions=branches, inputs=[CONV, CONV], outputs=[POOL])(model)
    tensor(POOL, shapeSignature=None)(model)
    signature(inputs=[named(b"a", CONV)], outputs=[named(b"b", POOL)])(model)


CHANGES: dict[str, Change] = {
    "operator-code": operator(CONVOLUTION, opcodeIndex=4),
    "operator-code-huge": operator(DENSE, opcodeIndex=1 << 31),
    "operator-of-another-library": code(CONVOLUTION, 32, b"Anything"),
    "operator-with-a-name": code(CONVOLUTION, 3, b"Anything"),
    "operator-loop": code(POOLING, 119),
    "operator-not-known": code(POOLING, 5000),
    "operator-keeps-a-value": code(POOLING, 143),
    "operators-exchanged": operator(DENSE, opcodeIndex=CONVOLUTION),
    "input-out-of-range": operator(CONVOLUTION, inputs=[PICTURE, 99, BIAS]),
    "input-negative": operator(CONVOLUTION, inputs=[-7, KERNEL, BIAS]),
    "input-left-out": operator(CONVOLUTION, inputs=[-1, KERNEL, BIAS]),
    "inputs-missing": operator(CONVOLUTION, inputs=[PICTURE]),
    "inputs-none": operator(POOLING, inputs=[]),
    "inputs-many": operator(POOLING, inputs=[CONV] * 9),
    "outputs-none": operator(POOLING, outputs=[]),
    "output-out-of-range": operator(DENSE, outputs=[77]),
    "output-negative": operator(DENSE, outputs=[-1]),
    "output-is-a-constant": operator(POOLING, outputs=[KERNEL]),
    "output-is-the-input": operator(POOLING, outputs=[PICTURE]),
    "output-written-twice": operator(DENSE, outputs=[CONV]),
    "cycle-of-one": operator(POOLING, inputs=[POOL]),
    "cycle-of-two": operator(CONVOLUTION, inputs=[POOL, KERNEL, BIAS]),
    "graph-leads-to-itself": leads_to_itself,
    "graph-inputs": graph(inputs=[PICTURE, 1000]),
    "graph-inputs-twice": graph(inputs=[PICTURE, PICTURE]),
    "graph-input-is-a-constant": graph(inputs=[PICTURE, KERNEL]),
    "graph-outputs": graph(outputs=[-2]),
    "graph-output-not-computed": graph(inputs=[], outputs=[LOGITS]),
    "no-graph": lambda model: setattr(model, "subgraphs", []),
    "type-of-the-weights": tensor(KERNEL, type=9),
    "type-of-the-bias": tensor(BIAS, type=2),
    "type-of-the-output": tensor(CONV, type=2),
    "type-of-the-shape": tensor(SHAPE, type=0),
    "type-text": tensor(PICTURE, type=5),
    "type-resource": tensor(CONV, type=13),
    "type-not-known": tensor(CONV, type=99),
    "constant-short": constant(KERNEL, b"\0" * 8),
    "constant-long": constant(KERNEL, b"\0" * 4000),
    "constant-not-there": tensor(KERNEL, buffer=50),
    "constant-outside-of-the-file": outside,
    "weights-are-not-computed": tensor(KERNEL, buffer=0),
    "shape-overflow": tensor(CONV, shape=[1, 65536, 65536, 65536], shapeSignature=None),
    "shape-negative": tensor(KERNEL, shape=[-4, 3, 3, -1]),
    "shape-of-nine-axes": tensor(CONV, shape=[1] * 9, shapeSignature=None),
    "shape-of-the-kernel": tensor(KERNEL, shape=[3, 3, CHANNELS, 1]),
    "shape-of-three-axes": tensor(KERNEL, shape=[CHANNELS, 9, 1]),
    "shape-of-the-output": tensor(CONV, shape=[1, 9, 9, CHANNELS], shapeSignature=[-1, 9, 9, CHANNELS]),
    "shapes-contradict": tensor(CONV, shapeSignature=[-1, SIDE, SIDE, 9]),
    "bias-of-another-size": operator(CONVOLUTION, inputs=[PICTURE, KERNEL, MATRIX]),
    "stride-zero": options(CONVOLUTION, strideW=0),
    "stride-negative": options(POOLING, strideH=-6),
    "dilation-zero": options(CONVOLUTION, dilationHFactor=0),
    "window-zero": options(POOLING, filterWidth=0),
    "window-huge": options(POOLING, filterWidth=1 << 30, filterHeight=1 << 30),
    "padding-not-known": options(CONVOLUTION, padding=7),
    "activation-not-known": options(DENSE, fusedActivationFunction=77),
    "weights-format": options(DENSE, weightsFormat=1),
    "options-of-another-operator": operator(CONVOLUTION, builtinOptionsType=5),
    "options-missing": operator(CONVOLUTION, builtinOptionsType=0, builtinOptions=None),
    "options-of-its-own": operator(CONVOLUTION, customOptions=[1, 2, 3]),
    "changes-its-input": operator(CONVOLUTION, mutatingVariableInputs=[True, False, False]),
    "new-shape": constant(SHAPE, np.array([-1, -1], "int32").tobytes()),
    "new-shape-negative": constant(SHAPE, np.array([-5, 4], "int32").tobytes()),
    "new-shape-of-another-size": constant(SHAPE, np.array([-1, 5], "int32").tobytes()),
    "matrix-of-another-depth": operator(DENSE, inputs=[FLAT, KERNEL, -1]),
    "scales-out-of-place": quantised(KERNEL, quantizedDimension=9),
    "scales-of-another-number": quantised(KERNEL, scale=[0.5, 0.5], zeroPoint=[0, 0]),
    "scales-without-zero": quantised(KERNEL, zeroPoint=[]),
    "scales-that-are-no-numbers": quantised(KERNEL, scale=[float("nan")]),
    "variable": tensor(CONV, isVariable=True),
    "sparse": sparse,
    "signature-of-no-graph": signature(subgraphIndex=3),
    "signature-of-no-tensor": signature(inputs=[named(b"picture", 99)]),
    "signature-writes-to-a-constant": signature(inputs=[named(b"picture", KERNEL)]),
    "signature-reads-inside": signature(outputs=[named(b"logits", POOL)]),
    "signature-twice": lambda model: model.signatureDefs.append(model.signatureDefs[0]),
    "signature-is-no-text": signature(signatureKey=b"\xff\xfe"),
    "version": lambda model: setattr(model, "version", 9),
}


def at(position: int, form: str, number: int) -> bytes:
    content = bytearray(packed())
    struct.pack_into(form, content, position, number)
    return bytes(content)


def root() -> int:
    return int(struct.unpack_from("<I", packed())[0])


DAMAGED: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "only-a-name": lambda: b"\x18\0\0\0TFL3",
    "root-behind-the-end": lambda: at(0, "<I", 0x7FFFFFF0),
    "root-not-aligned": lambda: at(0, "<I", root() + 1),
    "vtable-behind-the-end": lambda: at(root(), "<i", -0x7FFFFFF0),
    "vtable-before-the-file": lambda: at(root(), "<i", 0x7FFFFFF0),
    "vtable-too-large": lambda: at(root() - struct.unpack_from("<i", packed(), root())[0], "<H", 0xFFFE),
    "field-outside-of-its-table": lambda: at(root() - struct.unpack_from("<i", packed(), root())[0] + 8, "<H", 0xFF00),
    "half": lambda: packed()[: len(packed()) // 2],
    "without-its-end": lambda: packed()[:-8],
}


@pytest.fixture
def no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*arguments: Any, **named_arguments: Any) -> None:
        raise AssertionError("the file reached what runs it")

    monkeypatch.setattr(interpreter, "Interpreter", forbidden)
    monkeypatch.setattr(sandbox, "run", forbidden)


def test_the_network_itself_is_accepted_and_answers() -> None:
    engine = LiteRTEngine(compiled(packed()))
    picture = np.random.default_rng(1).normal(size=(3, SIDE, SIDE, 1)).astype("float32")
    activation = engine.activations(picture, ["conv"])[0]
    matrix = np.random.default_rng(0)
    matrix.normal(size=(CHANNELS, 3, 3, 1))
    expected = activation.mean((1, 2)) @ matrix.normal(size=(CLASSES, CHANNELS)).astype("float32").T
    np.testing.assert_allclose(engine.logits(picture), expected, atol=1e-4)


@pytest.mark.usefixtures("no_interpreter")
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_field_is_refused_before_the_interpreter(name: str) -> None:
    with pytest.raises(ModelError, match="refused") as caught:
        LiteRTEngine(compiled(packed(CHANGES[name])))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_interpreter")
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_structure_is_refused_before_the_interpreter(name: str) -> None:
    with pytest.raises(ModelError, match="refused"):
        LiteRTEngine(compiled(DAMAGED[name]()))


@pytest.mark.usefixtures("no_interpreter")
def test_many_references_to_one_place_are_refused() -> None:
    # 300 kB that would read as 50,000 tensors with 1,000 scales each
    def change(model: Any) -> None:
        tensor(PICTURE, shape=[1, 1000, 1, 1], shapeSignature=None)(model)
        quantised(PICTURE, scale=np.ones(1000), zeroPoint=np.zeros(1000), quantizedDimension=1)(model)

    content = packed(change)
    table = struct.unpack_from("<I", content)[0]
    vtable = table - struct.unpack_from("<i", content, table)[0]
    graphs = table + struct.unpack_from("<H", content, vtable + 4 + 2 * 2)[0]
    graphs += struct.unpack_from("<I", content, graphs)[0]
    graph_table = graphs + 4 + struct.unpack_from("<I", content, graphs + 4)[0]
    vtable = graph_table - struct.unpack_from("<i", content, graph_table)[0]
    field = graph_table + struct.unpack_from("<H", content, vtable + 4)[0]
    tensors = field + struct.unpack_from("<I", content, field)[0]
    first = tensors + 4 + struct.unpack_from("<I", content, tensors + 4)[0]
    # A second list of tensors in front of the file: offsets only lead forwards, so the first tensor is reached 50,000 times.
    count = 50_000
    added = 16 + 4 * count
    moved = bytearray(content[:8] + bytes(added) + content[8:])
    struct.pack_into("<I", moved, 0, table + added)
    struct.pack_into("<I", moved, 12, count)
    for place in range(count):
        struct.pack_into("<I", moved, 16 + 4 * place, first + added - 16 - 4 * place)
    struct.pack_into("<I", moved, field + added, (12 - field - added) & 0xFFFFFFFF)
    with pytest.raises(ModelError):
        verify(bytes(moved))


def test_random_changes_never_reach_a_crash() -> None:
    content = packed()
    outcomes: Counter[str] = Counter()
    accepted = []
    for seed in range(600):
        numbers = random.Random(seed)
        changed = bytearray(content)
        for _ in range(numbers.choice((1, 1, 2, 4))):
            size = numbers.choice((1, 2, 4))
            place = numbers.randrange(0, len(content) - size)
            value = numbers.choice((0, 1, 2, 7, 0x7F, (1 << 8 * size) - 1, numbers.getrandbits(8 * size)))
            changed[place : place + size] = value.to_bytes(size, "little")
        try:
            verify(bytes(changed))
        except ModelError:
            outcomes["refused"] += 1
        else:
            outcomes["accepted"] += 1
            accepted.append(bytes(changed))
    assert outcomes["refused"] > 100
    assert outcomes["accepted"] > 50
    # All of them in one process: if one crashes it, the number of the file is the last that was printed.
    code = (
        "import runpy, struct, sys; run_all = runpy.run_path(sys.argv[1])['run_all']; stream = sys.stdin.buffer\n"
        "for number in range(int(sys.argv[2])):\n"
        "    print(number, flush=True)\n"
        "    content = stream.read(struct.unpack('<I', stream.read(4))[0])\n"
        "    try: run_all(content)\n"
        "    except (ValueError, RuntimeError): pass\n"
    )
    command = [sys.executable, "-c", code, str(tflite_child.__file__), str(len(accepted))]
    stream = b"".join(struct.pack("<I", len(file)) + file for file in accepted)
    done = subprocess.run(command, input=stream, capture_output=True, timeout=900, check=False)
    assert done.returncode == 0, (done.returncode, done.stdout.split()[-1:], done.stderr[-400:])


def test_what_only_the_interpreter_refuses_is_found_by_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    def newer(model: Any) -> None:
        model.operatorCodes[CONVOLUTION].version = 99

    monkeypatch.setattr(interpreter, "Interpreter", None)  # of this process
    content = packed(newer)
    verify(content)
    with pytest.raises(ModelError, match=r"here\.ferviz is refused: LiteRT cannot run it .*process of its own"):
        admission.admit(content, name="here.ferviz")


def test_what_passed_is_remembered_by_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    content, trials = packed(lambda model: setattr(model, "description", b"remembered")), []
    monkeypatch.setattr(known_files, "probe", None)
    monkeypatch.setattr(admission, "probe", lambda *arguments, **fields: trials.append(arguments))
    admission.admit(content)
    admission.admit(content)
    assert len(trials) == 1
    admission.admit(packed(lambda model: setattr(model, "description", b"another")))
    assert len(trials) == 2


@pytest.mark.usefixtures("no_interpreter")
def test_what_was_compiled_here_or_is_shipped_is_known(tmp_path: Path) -> None:
    content = packed(lambda model: setattr(model, "description", b"compiled here"))
    spec = InputSpec(SIDE, SIDE, 1, "0..1")
    model = CompiledModel("small", "ab" * 32, ("a", "b", "c"), spec, compiled(content, trusted=True))
    write_compiled(tmp_path / "a.ferviz", model)
    for path in (tmp_path / "a.ferviz", bundled_path().with_suffix(".ferviz")):
        network = read_compiled(path).network
        assert not network.trusted
        admission.admit(network.content, network.digest, network.source)


def test_a_refused_file_is_one_sentence_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(tmp_path / "face.png", np.zeros((48, 48, 3), np.uint8))
    spec = InputSpec(SIDE, SIDE, 1, "0..1")
    broken = compiled(packed(CHANGES["stride-zero"]))
    write_compiled(tmp_path / "a.ferviz", CompiledModel("small", "ab" * 32, ("a", "b", "c"), spec, broken))
    assert run(["predict", str(tmp_path / "face.png"), "--model", str(tmp_path / "a.ferviz")]) == 4
    printed = capsys.readouterr().err
    assert "a.ferviz" in printed
    assert "stride_w is 0" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashes OpenCV"),
        ("import sys; sys.stdout.write('its stride is 0'); sys.exit(3)", r"OpenCV cannot run it \(its stride is 0\)"),
        ("raise MemoryError", "more than 1 GB"),
        ("1 / 0", "OpenCV could not try it"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="no signals")
def test_how_a_trial_ends_is_one_sentence(tmp_path: Path, script: str, sentence: str) -> None:
    path = tmp_path / "trial.py"
    path.write_text(script)
    limits = sandbox.Limits(seconds=20, memory=10**9)
    with pytest.raises(ModelError, match=f"^net is refused: .*{sentence}.*; leave it out$"):
        known_files.probe("net", path, limits=limits, runtime="OpenCV", advice="leave it out")
