"""The operations of TensorFlow that compute and do nothing else: what a SavedModel may hold without --trust.

An operation that is not here is refused, whatever it does: one that a later TensorFlow brings is refused until somebody has looked at it.
None of these reaches a file, the network, Python, another process, or a resource other than the network's own variables.
"""

from __future__ import annotations

_ARITHMETIC = """
    Abs AccumulateNV2 Acos Acosh Add AddN AddV2 Angle ApproximateEqual Asin Asinh Atan Atan2 Atanh BesselI0 BesselI0e BesselI1 BesselI1e
    Betainc BitwiseAnd BitwiseOr BitwiseXor Ceil ClipByValue Complex ComplexAbs Conj Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp
    Digamma Div DivNoNan Erf Erfc Erfinv Exp Expm1 Floor FloorDiv FloorMod Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan LeftShift
    Lgamma Log Log1p Maximum Minimum Mod Mul MulNoNan Ndtri Neg NextAfter Polygamma Pow Real RealDiv Reciprocal RightShift Rint Round Rsqrt
    Sigmoid Sign Sin Sinh Sqrt Square SquaredDifference Sub Tan Tanh TruncateDiv TruncateMod Xdivy Xlog1py Xlogy Zeta
"""
_COMPARISON = """
    All Any Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr NotEqual Select SelectV2
"""
_REDUCTION = """
    ApproxTopK ArgMax ArgMin Bincount DenseBincount EuclideanNorm HistogramFixedWidth InTopK InTopKV2 L2Loss Max Mean Min NthElement Prod
    SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum Sum TopK TopKV2 UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd
    UnsortedSegmentSum
"""
_MATRIX = """
    BatchMatMul BatchMatMulV2 BatchMatMulV3 Cholesky Diag DiagPart Einsum Lu MatMul MatrixBandPart MatrixDeterminant MatrixDiag
    MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixInverse MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3
    MatrixSolve MatrixTriangularSolve Qr SelfAdjointEigV2 Svd FFT FFT2D IFFT IFFT2D IRFFT IRFFT2D RFFT RFFT2D
"""
_CONVOLUTION = """
    AvgPool AvgPool3D BatchToSpace BatchToSpaceND Conv Conv2D Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D Conv3DBackpropInputV2
    DepthToSpace DepthwiseConv2dNative Dilation2D ExtractImagePatches FractionalAvgPool FractionalMaxPool FusedPadConv2D
    FusedResizeAndPadConv2D MaxPool MaxPool3D MaxPoolV2 MaxPoolWithArgmax SpaceToBatch SpaceToBatchND SpaceToDepth
"""
_NORMALISATION = """
    BatchNormWithGlobalNormalization BiasAdd BiasAddV1 FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 LRN LogSoftmax Softmax
"""
_ACTIVATION = """
    Elu LeakyRelu Relu Relu6 Selu Softplus Softsign
"""
_GRADIENT = """
    AvgPoolGrad BiasAddGrad BroadcastGradientArgs Conv2DBackpropFilter DepthwiseConv2dNativeBackpropFilter
    DepthwiseConv2dNativeBackpropInput EluGrad FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 InvGrad LeakyReluGrad
    MaxPoolGrad MirrorPadGrad ReciprocalGrad Relu6Grad ReluGrad ResizeBilinearGrad RsqrtGrad SeluGrad SigmoidGrad SoftplusGrad SoftsignGrad
    SqrtGrad StridedSliceGrad TanhGrad
"""
_SHAPE = """
    BroadcastArgs BroadcastTo Concat ConcatOffset ConcatV2 EnsureShape ExpandDims Fill InvertPermutation LinSpace MirrorPad OneHot
    OnesLike Pack Pad PadV2 ParallelConcat Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll Shape ShapeN Size Slice Split SplitV
    Squeeze StridedSlice Tile Transpose ConjugateTranspose Unpack ZerosLike
"""
_GATHER = """
    Bucketize DynamicPartition DynamicStitch Gather GatherNd GatherV2 ListDiff LowerBound ParallelDynamicStitch ScatterNd
    ScatterNdNonAliasingAdd TensorScatterAdd TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate TensorStridedSliceUpdate
    Unique UniqueV2 UniqueWithCounts UnravelIndex UpperBound Where
"""
_PICTURE = """
    AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation CropAndResize DecodeJpeg DecodePng HSVToRGB ImageProjectiveTransformV2
    ImageProjectiveTransformV3 NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionV5
    CombinedNonMaxSuppression RGBToHSV ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate
"""
_CASTING = """
    Bitcast Cast Dequantize FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel QuantizeAndDequantize
    QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeV2
"""
_RANDOM = """
    Multinomial ParameterizedTruncatedNormal RandomGamma RandomShuffle RandomStandardNormal RandomUniform RandomUniformInt RngReadAndSkip
    RngSkip StatefulStandardNormalV2 StatefulTruncatedNormal StatefulUniform StatefulUniformFullInt StatefulUniformInt StatelessMultinomial
    StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal StatelessRandomNormalV2
    StatelessRandomUniform StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2 StatelessRandomUniformInt
    StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessShuffle StatelessTruncatedNormal StatelessTruncatedNormalV2
    TruncatedNormal
"""
_CONSTANT_AND_VARIABLE = """
    Assert Assign AssignAdd AssignAddVariableOp AssignSub AssignSubVariableOp AssignVariableOp CheckNumerics Const DisableCopyOnRead
    Identity IdentityN IsVariableInitialized NoOp Placeholder PlaceholderV2 PlaceholderWithDefault PreventGradient ReadVariableOp
    ResourceGather ResourceGatherNd Snapshot StopGradient VarHandleOp VarIsInitializedOp Variable VariableShape VariableV2
"""
_CONTROL_FLOW = """
    Case ControlTrigger Enter Exit FakeParam If LoopCond Merge NextIteration PartitionedCall StatefulPartitionedCall StatelessCase
    StatelessIf StatelessWhile Switch While
    EmptyTensorList TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
    TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListScatterV2 TensorListSetItem TensorListSplit
    TensorListStack TensorArrayConcatV3 TensorArrayGatherV3 TensorArrayReadV3 TensorArrayScatterV3 TensorArraySizeV3 TensorArraySplitV3
    TensorArrayV3 TensorArrayWriteV3 TensorArrayCloseV3
"""

PURE_OPERATIONS = frozenset(
    " ".join(
        (
            _ARITHMETIC, _COMPARISON, _REDUCTION, _MATRIX, _CONVOLUTION, _NORMALISATION, _ACTIVATION, _GRADIENT, _SHAPE, _GATHER, _PICTURE,
            _CASTING, _RANDOM, _CONSTANT_AND_VARIABLE, _CONTROL_FLOW,
        )
    ).split()
)  # fmt: skip
"""The names of the operations. Loops and recursion end by the limits of the process that runs them."""
