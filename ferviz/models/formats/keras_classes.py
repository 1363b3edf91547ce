"""The names of Keras' own classes that a picture network may ask for: the entries of the allow-list.

Only what computes on pictures and features is listed. Layers that run the file's own code (Lambda), load other files
(TFSMLayer, StringLookup), or work on text are missing, and so is everything that is not part of Keras.
"""

from __future__ import annotations


def names_in(text: str) -> frozenset[str]:
    """Return the words of a text as a set.

    Args:
        text: names with spaces or line breaks between them.
    """
    return frozenset(text.split())


NETWORKS = frozenset({"Sequential", "Functional", "Model"})

AUGMENTATION = names_in(
    """
    RandomBrightness RandomColorDegeneration RandomColorJitter RandomContrast RandomCrop RandomElasticTransform
    RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
    RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom
    AugMix AutoContrast Equalization RandAugment Solarization CutMix MixUp
    """
)
"""Layers that change pictures during training, and (all but RandomCrop, AutoContrast, ...) pass them through afterwards."""

LAYERS = AUGMENTATION | names_in(
    """
    InputLayer Dense Activation EinsumDense Identity Masking Embedding Conv1D Conv2D Conv3D Conv1DTranspose
    Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D ConvLSTM1D
    ConvLSTM2D ConvLSTM3D LSTM LSTMCell GRU GRUCell SimpleRNN SimpleRNNCell RNN StackedRNNCells MaxPooling1D
    MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
    GlobalMaxPooling3D GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D AdaptiveAveragePooling1D
    AdaptiveAveragePooling2D AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D
    BatchNormalization LayerNormalization GroupNormalization UnitNormalization RMSNormalization Normalization
    SpectralNormalization Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout GaussianDropout
    GaussianNoise ActivityRegularization ReLU LeakyReLU PReLU ELU Softmax ThresholdedReLU Add Subtract Multiply
    Average Maximum Minimum Concatenate Dot Attention AdditiveAttention MultiHeadAttention GroupQueryAttention Flatten
    Reshape Permute RepeatVector Cropping1D Cropping2D Cropping3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    UpSampling1D UpSampling2D UpSampling3D Resizing CenterCrop Rescaling Bidirectional TimeDistributed
    """
)

SHORT_NAMES = {
    "Convolution1D": "Conv1D", "Convolution2D": "Conv2D", "Convolution3D": "Conv3D", "Convolution2DTranspose": "Conv2DTranspose",
    "SeparableConvolution1D": "SeparableConv1D", "SeparableConvolution2D": "SeparableConv2D",
    "Deconvolution2D": "Conv2DTranspose", "Deconvolution3D": "Conv3DTranspose", "AtrousConvolution2D": "Conv2D",
    "AtrousConvolution1D": "Conv1D", "AtrousConv2D": "Conv2D", "DepthwiseConvolution2D": "DepthwiseConv2D",
    "MaxPool1D": "MaxPooling1D", "MaxPool2D": "MaxPooling2D", "MaxPool3D": "MaxPooling3D",
    "AvgPool1D": "AveragePooling1D", "AvgPool2D": "AveragePooling2D", "AvgPool3D": "AveragePooling3D",
    "GlobalAvgPool1D": "GlobalAveragePooling1D", "GlobalAvgPool2D": "GlobalAveragePooling2D",
    "GlobalMaxPool1D": "GlobalMaxPooling1D", "GlobalMaxPool2D": "GlobalMaxPooling2D",
    "BatchNormalizationV1": "BatchNormalization", "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization", "LSTMV2": "LSTM", "GRUV2": "GRU",
    "DenseV2": "Dense", "CenterCropV2": "CenterCrop", "RandomWidth": "Identity", "RandomHeight": "Identity",
    "Noise": "GaussianNoise",
}  # fmt: skip
"""Other names of the same layers, from Keras 1 to 3. RandomWidth and RandomHeight left Keras; after training they did nothing."""

_NUMPY_OPS = """
    Absolute Add All Any Average BroadcastTo Ceil Clip Concatenate Conjugate Divide DivideNoNan Dot Einsum Exp ExpandDims Expm1
    Flip Floor GetItem Greater Less Log Log10 Log1p Log2 Logaddexp Matmul Max Maximum Mean Median Min Minimum Mod Moveaxis
    Multiply Negative Pad Power Prod Ravel Reciprocal Repeat Reshape Roll Round Sign Sqrt Square Squeeze Stack Std Subtract Sum
    Swapaxes Tanh Tile Transpose TrueDivide Var Where ZerosLike OnesLike
"""
_NN_OPS = """
    Relu Relu6 Sigmoid Softplus Softsign Silu LogSigmoid LeakyRelu HardSigmoid HardSilu HardTanh Elu Selu Celu Gelu Glu
    Softmax LogSoftmax MaxPool AveragePool Normalize RmsNorm LayerNorm SparsePlus Squareplus SoftShrink HardShrink TanhShrink
    SparseSigmoid Threshold AdaptiveAveragePool AdaptiveMaxPool
"""
OPERATIONS = {
    "keras.src.ops.numpy": names_in(_NUMPY_OPS),
    "keras.src.ops.nn": names_in(_NN_OPS),
    "keras.src.ops.core": frozenset({"Cast", "StopGradient", "Slice", "Unstack"}),
    "keras.src.ops.math": frozenset({"Rsqrt", "Erf", "Logsumexp"}),
    "keras.src.ops.image": frozenset({"RGBToGrayscale", "Resize", "PadImages", "CropImages"}),
}
"""Operations that Keras 3 writes between the layers of a functional network (`x / 255` is a TrueDivide), by module."""

VALUES = frozenset({"__keras_tensor__", "__slice__", "__ellipsis__", "__numpy__", "__tensor__"})
"""The class names of plain values in Keras' JSON."""

VALUE_TYPES = names_in("float16 bfloat16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 bool")
"""The types of numbers that a constant may have."""

ACTIVATIONS = names_in(
    """
    linear relu relu6 sigmoid tanh softmax softplus softsign elu selu silu swish gelu exponential mish leaky_relu
    hard_sigmoid hard_silu hard_swish log_softmax log_sigmoid celu glu hard_tanh hard_shrink soft_shrink tanh_shrink
    squareplus sparse_plus sparsemax sparse_sigmoid threshold
    """
)

OLD_HARD_SIGMOID = {
    "class_name": "function",
    "module": "ferviz",
    "config": "old_hard_sigmoid",
    "registered_name": "old_hard_sigmoid",
}
"""clip(0.2 x + 0.5, 0, 1) in Keras' JSON: the `hard_sigmoid` of before Keras 3, whose own has the slope 1/6."""

SIZE_KEYS = frozenset({"filters", "units", "kernel_size", "pool_size", "strides", "size", "depth_multiplier", "height", "width",
                       "dilation_rate", "n", "groups", "num_heads", "key_dim", "value_dim", "input_dim", "output_dim"})  # fmt: skip
MAX_SIZE = 1 << 20
"""The most filters, units or pixels; larger numbers exist only in files that are made to fill the memory."""
