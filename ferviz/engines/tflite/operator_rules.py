"""The operators that a file of somebody else may use, and what each needs; any other is refused by its name.

What is missing is missing on purpose: operators of other libraries, those that keep a value between runs or read a file's tables, loops
(`WHILE` has no bound), and texts. A network for faces needs none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ferviz.engines.tflite import shape_rules as shapes
from ferviz.engines.tflite import value_rules as values
from ferviz.engines.tflite import window_rules as windows
from ferviz.engines.tflite.operator_node import FLOATS, INDICES, QUANTISED

MAX_INPUTS = 1_000


@dataclass(frozen=True)
class Rule:
    """What one operator needs.

    Attributes:
        name: as TensorFlow Lite calls it.
        inputs: the smallest and the largest number of its inputs.
        outputs: as `inputs`.
        options: the number of the type of its options.
        check: raises FlatbufferError for tensors or options that do not fit.
    """

    name: str
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    options: int
    check: values.Check


_ARITHMETIC = (*FLOATS, *QUANTISED, *INDICES)
_MAPPED = (*FLOATS, *QUANTISED)
IF = 118

RULES: dict[int, Rule] = {}
"""Number of a builtin operator -> its rule."""


def _add(
    code: int,
    name: str,
    inputs: int | tuple[int, int],
    options: int,
    check: values.Check,
    outputs: tuple[int, int] = (1, 1),
) -> None:
    bounds = (inputs, inputs) if isinstance(inputs, int) else inputs
    RULES[code] = Rule(name, bounds, outputs, options, check)


_add(3, "CONV_2D", (2, 3), 1, windows.convolution)
_add(4, "DEPTHWISE_CONV_2D", (2, 3), 2, windows.depthwise)
_add(67, "TRANSPOSE_CONV", (3, 4), 49, windows.transposed)
_add(9, "FULLY_CONNECTED", (2, 3), 8, windows.fully_connected)
_add(126, "BATCH_MATMUL", 2, 101, windows.matrix_product)
_add(1, "AVERAGE_POOL_2D", 1, 5, windows.pooling)
_add(17, "MAX_POOL_2D", 1, 5, windows.pooling)
_add(23, "RESIZE_BILINEAR", 2, 15, windows.resizing(2))
_add(97, "RESIZE_NEAREST_NEIGHBOR", 2, 74, windows.resizing(0))

for _code, _name, _options, _activation, _types in (
    (0, "ADD", 11, 0, _ARITHMETIC),
    (18, "MUL", 21, 0, _ARITHMETIC),
    (41, "SUB", 28, 0, _ARITHMETIC),
    (42, "DIV", 29, 0, (*FLOATS, "int32", "uint8")),
    (55, "MAXIMUM", 39, None, _ARITHMETIC),
    (57, "MINIMUM", 39, None, _ARITHMETIC),
    (78, "POW", 56, None, (*FLOATS, "int32")),
    (90, "FLOOR_DIV", 65, None, (*FLOATS, "int32", "int8", "int16")),
    (95, "FLOOR_MOD", 72, None, (*FLOATS, *INDICES, "int8", "int16")),
    (99, "SQUARED_DIFFERENCE", 76, None, (*FLOATS, "int32", "int8")),
    (84, "LOGICAL_OR", 60, None, ("bool",)),
    (86, "LOGICAL_AND", 62, None, ("bool",)),
):
    _check = values.elementwise(*_types, activation=_activation, rank=6 if _code in (0, 18, 41) else 4)
    _add(_code, _name, 2, _options, _check)

for _code, _name, _options in (
    (58, "LESS", 41),
    (61, "GREATER", 44),
    (62, "GREATER_EQUAL", 45),
    (63, "LESS_EQUAL", 46),
    (71, "EQUAL", 53),
    (72, "NOT_EQUAL", 54),
):
    _kinds = (*FLOATS, *INDICES, "int8", "uint8", *(("bool",) if _code > 70 else ()))
    _add(_code, _name, 2, _options, values.elementwise(*_kinds, output="bool", rank=4))

for _code, _name, _options, _types in (
    (8, "FLOOR", 0, FLOATS),
    (14, "LOGISTIC", 0, _MAPPED),
    (19, "RELU", 0, _MAPPED),
    (20, "RELU_N1_TO_1", 0, _MAPPED),
    (21, "RELU6", 0, _MAPPED),
    (28, "TANH", 0, _MAPPED),
    (47, "EXP", 33, (*FLOATS, "int8", "int16")),
    (59, "NEG", 42, (*FLOATS, *INDICES)),
    (66, "SIN", 0, FLOATS),
    (73, "LOG", 0, (*FLOATS, "int8", "int16")),
    (75, "SQRT", 0, FLOATS),
    (76, "RSQRT", 0, (*FLOATS, "int8")),
    (87, "LOGICAL_NOT", 63, ("bool",)),
    (92, "SQUARE", 66, FLOATS),
    (93, "ZEROS_LIKE", 67, (*FLOATS, *INDICES)),
    (98, "LEAKY_RELU", 75, _MAPPED),
    (101, "ABS", 78, (*FLOATS, "int32", "int8", "int16")),
    (104, "CEIL", 0, FLOATS),
    (108, "COS", 84, FLOATS),
    (111, "ELU", 0, (*FLOATS, "int8")),
    (116, "ROUND", 0, FLOATS),
    (117, "HARD_SWISH", 91, (*FLOATS, "int8", "uint8")),
    (150, "GELU", 116, (*FLOATS, "int8", "uint8")),
    (152, "RELU_0_TO_1", 0, _MAPPED),
    (158, "SIGN", 123, (*FLOATS, "int32")),
):
    _add(_code, _name, 1, _options, values.unary(*_types))
_add(25, "SOFTMAX", 1, 9, values.unary(*_MAPPED, rank=4, lowest=1))
_add(50, "LOG_SOFTMAX", 1, 36, values.unary(*FLOATS, "int8", "uint8", rank=4, lowest=1))
_add(11, "L2_NORMALIZATION", 1, 12, values.unary(*FLOATS, "int8", "uint8", rank=4, lowest=1, activation=0))

for _code, _name, _types in (
    (40, "MEAN", (*_MAPPED, *INDICES)),
    (74, "SUM", _ARITHMETIC),
    (81, "REDUCE_PROD", (*FLOATS, *INDICES)),
    (82, "REDUCE_MAX", _ARITHMETIC),
    (89, "REDUCE_MIN", _ARITHMETIC),
    (91, "REDUCE_ANY", ("bool",)),
    (140, "REDUCE_ALL", ("bool",)),
):
    _add(_code, _name, 2, 27, values.reduction(*_types))

_add(22, "RESHAPE", (1, 2), 17, shapes.reshape)
_add(43, "SQUEEZE", 1, 30, shapes.squeeze)
_add(70, "EXPAND_DIMS", 2, 52, shapes.expand)
_add(39, "TRANSPOSE", 2, 26, shapes.transpose)
_add(34, "PAD", 2, 22, shapes.padding)
_add(60, "PADV2", 3, 43, shapes.padding)
_add(100, "MIRROR_PAD", 2, 77, shapes.mirror_padding)
_add(65, "SLICE", 3, 48, shapes.slicing)
_add(45, "STRIDED_SLICE", 4, 32, shapes.strided_slicing)
_add(2, "CONCATENATION", (1, MAX_INPUTS), 10, shapes.concatenation)
_add(83, "PACK", (1, MAX_INPUTS), 59, shapes.pack)
_add(88, "UNPACK", 1, 64, shapes.unpack, outputs=(1, MAX_INPUTS))
_add(49, "SPLIT", 2, 35, shapes.split(axis=0, values=1), outputs=(1, MAX_INPUTS))
_add(102, "SPLIT_V", 3, 79, shapes.split(axis=2, values=0, sizes=1), outputs=(1, MAX_INPUTS))
_add(36, "GATHER", 2, 23, shapes.gather)
_add(26, "SPACE_TO_DEPTH", 1, 19, shapes.blocks(to_depth=True))
_add(5, "DEPTH_TO_SPACE", 1, 94, shapes.blocks(to_depth=False))
_add(38, "SPACE_TO_BATCH_ND", 3, 25, shapes.batch_blocks)
_add(37, "BATCH_TO_SPACE_ND", 3, 24, shapes.batch_blocks)
_add(69, "TILE", 2, 51, shapes.tile)
_add(130, "BROADCAST_TO", 2, 104, shapes.to_shape(values=0, shape=1))
_add(94, "FILL", 2, 68, shapes.to_shape(values=1, shape=0))
_add(77, "SHAPE", 1, 55, shapes.shape_of)
_add(110, "RANK", 1, 86, shapes.shape_of)
_add(53, "CAST", 1, 37, values.cast)
_add(114, "QUANTIZE", 1, 89, values.quantise)
_add(6, "DEQUANTIZE", 1, 38, values.dequantise)
_add(54, "PRELU", 2, 0, values.parametric_relu)
_add(64, "SELECT", 3, 47, values.selection)
_add(123, "SELECT_V2", 3, 98, values.selection)
_add(56, "ARG_MAX", 2, 40, values.arg_extreme)
_add(79, "ARG_MIN", 2, 57, values.arg_extreme)
_add(106, "ADD_N", (1, MAX_INPUTS), 82, values.elementwise(*FLOATS, "int32"))
_add(105, "REVERSE_V2", 2, 81, shapes.reverse)
_add(128, "CUMSUM", 2, 102, values.cumulative)
