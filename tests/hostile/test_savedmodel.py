"""SavedModels made to do harm: what reaches out is refused by name, what loops or fills the memory ends in a sentence."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from ferviz import sandbox
from ferviz.engines import savedmodel
from ferviz.engines.backend import tensorflow
from ferviz.engines.savedmodel import SavedModelEngine
from ferviz.engines.savedmodel.pure_operations import PURE_OPERATIONS
from ferviz.errors import ModelError, UntrustedModelError

PICTURES = np.linspace(0, 1, 32, dtype=np.float32).reshape(2, 4, 4, 1)


@pytest.fixture
def here(monkeypatch):
    """The same check and the same runner in this process, for what never gets as far as running."""
    monkeypatch.setattr(sandbox, "available", lambda: False)


def build(folder: Path, harm=lambda tf, x, folder: [], change=lambda description: None) -> Path:
    """Write a SavedModel whose answer is three of sixteen pixels minus 1, and needs what `harm` returns; `change` edits its message."""
    tf = tensorflow()
    from tensorflow.core.protobuf import saved_model_pb2

    folder.mkdir(exist_ok=True)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 4, 4, 1), name="x")
        extra = harm(tf, x, folder)
        with tf.control_dependencies([operation for operation in extra if not isinstance(operation, tf.Tensor)]):
            y = tf.reshape(x, (-1, 16))[:, :3] - 1
            for number in (tensor for tensor in extra if isinstance(tensor, tf.Tensor)):
                y = y + 0 * tf.cast(number, tf.float32)
        y = tf.ensure_shape(y, (None, 3), name="y")
    description = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta = description.meta_graphs.add()
    meta.meta_info_def.tags.append("serve")
    meta.graph_def.CopyFrom(graph.as_graph_def())
    signature = meta.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    for side, name, tensor in ((signature.inputs, "picture", x), (signature.outputs, "scores", y)):
        side[name].name, side[name].dtype = tensor.name, tensor.dtype.as_datatype_enum
        side[name].tensor_shape.CopyFrom(tensor.shape.as_proto())
    change(description)
    (folder / "saved_model.pb").write_bytes(description.SerializeToString())
    return folder


def function(description, name: str, operation: str, library=None):
    """Add a function without arguments that holds one operation."""
    added = (library or description.meta_graphs[0].graph_def.library).function.add()
    added.signature.name = name
    node = added.node_def.add()
    node.name, node.op = "inner", operation
    return added


def node(description, name: str, operation: str, inputs=(), meta: int = 0):
    added = description.meta_graphs[meta].graph_def.node.add()
    added.name, added.op = name, operation
    added.input.extend(inputs)
    return added


# -- what writes, reads and executes -----------------------------------------------------------------------------------

EFFECTS = {
    "WriteFile": lambda tf, x, folder: [tf.raw_ops.WriteFile(filename=f"{folder}/out", contents="text")],
    "SaveV2": lambda tf, x, folder: [
        tf.raw_ops.SaveV2(prefix=f"{folder}/out", tensor_names=["a"], shape_and_slices=[""], tensors=[x])
    ],
    "Save": lambda tf, x, folder: [tf.raw_ops.Save(filename=f"{folder}/out", tensor_names=["a"], data=[x])],
    "CacheDataset": lambda tf, x, folder: [
        tf.data.experimental.get_single_element(tf.data.Dataset.range(1).cache(f"{folder}/out"))
    ],
    "SnapshotDatasetV2": lambda tf, x, folder: [
        tf.data.experimental.get_single_element(tf.data.Dataset.range(1).snapshot(f"{folder}/out"))
    ],
    "DatasetToTFRecord": lambda tf, x, folder: [
        tf.raw_ops.DatasetToTFRecord(
            input_dataset=tf.data.Dataset.from_tensors("text")._variant_tensor, filename=f"{folder}/out", compression_type=""
        )
    ],
    "SqlDataset": lambda tf, x, folder: [
        tf.data.experimental.get_single_element(
            tf.data.experimental.SqlDataset("sqlite", f"{folder}/out", "select 1", (tf.int32,)).map(lambda a: a)
        )
    ],
    "DebugNanCount": lambda tf, x, folder: [
        tf.raw_ops.DebugNanCount(input=x * np.nan, tensor_name="a:0", device_name="d", debug_urls=[f"file://{folder}/out"])
    ],
    "CreateSummaryFileWriter": lambda tf, x, folder: [
        tf.raw_ops.CreateSummaryFileWriter(
            writer=tf.raw_ops.SummaryWriter(shared_name="w"), logdir=f"{folder}/out", max_queue=1, flush_millis=1, filename_suffix=""
        )
    ],
    "MergeV2Checkpoints": lambda tf, x, folder: [
        tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[f"{folder}/victim"], destination_prefix=f"{folder}/out")
    ],
}  # fmt: skip


@pytest.mark.parametrize("operation", EFFECTS)
def test_what_writes_is_refused_by_name_and_writes_nothing(tmp_path, here, operation):
    folder = build(tmp_path / "net", EFFECTS[operation])
    if operation == "MergeV2Checkpoints":
        tf = tensorflow()
        tf.raw_ops.SaveV2(prefix=f"{folder}/victim", tensor_names=["a"], shape_and_slices=[""], tensors=[PICTURES])
    before = sorted(folder.rglob("*"))
    # The dataset that is first in the graph may be named instead.
    with pytest.raises(
        UntrustedModelError, match=r"operation '(\w*Dataset\w*|SummaryWriter|" + operation + r")'.*--trust"
    ):
        SavedModelEngine(folder)
    assert sorted(folder.rglob("*")) == before
    with contextlib.suppress(ModelError):  # what it moves away is not there a second time
        SavedModelEngine(folder, trust=True).logits(PICTURES)
    assert sorted(folder.rglob("*")) != before, "the payload of this test does nothing, so it shows nothing"


REACHING_OUT = set(
    """
    Abort AnonymousIteratorV3 AssertPrevDataset BatchFunction CSVDatasetV2 CloseSummaryWriter ConfigureDistributedTPU ConsumeMutexLock
    DataServiceDatasetV4 DebugIdentityV3 DebugNumericSummary DeserializeIterator DistributedSave DumpTensor EagerPyFunc FIFOQueueV2
    FileSystemSetConfiguration FilterDataset FixedLengthRecordReaderV2 GenerateVocabRemapping HashTableV2 ImmutableConst ImportEvent
    InitializeTableFromDataset InitializeTableFromTextFileV2 InitializeTableV2 IteratorGetNext LMDBReader LoadAndRemapMatrix LoadDataset
    LookupTableImportV2 MapDataset MapDefun MatchingFiles ModelDataset MutexV2 OneShotIterator ParseTensor Print PrintV2 PyFunc
    PyFuncStateless ReadFile ReaderReadV2 Recv RegisterDatasetV2 RemoteCall Restore RestoreSlice RestoreV2 RpcCall SaveDatasetV2 SaveSlices
    SdcaOptimizer Send SerializeIterator ShardedFilename SleepOp SnapshotDatasetV2 SqlDataset Stage SymbolicGradient TFRecordDatasetV2
    TPUExecute TemporaryVariable TextLineDataset TextLineReaderV2 WholeFileReaderV2 WriteAudioSummary WriteGraphSummary WriteImageSummary
    WriteRawProtoSummary WriteSummary XlaLaunch _Recv _Send EncodeProto DecodeProtoV2 ReduceDataset AnonymousHashTable
    """.split()  # noqa: SIM905
)


def test_operations_that_reach_out_are_not_on_the_list():
    assert not PURE_OPERATIONS & REACHING_OUT
    reaching = re.compile(
        "Dataset|Iterator|Summary|File|Save|Reader|Table|Debug|Print|Py|Queue|Send|Recv|Restore|Rpc|TPU|Xla|Proto|Dump"
    )
    assert not [name for name in PURE_OPERATIONS if reaching.search(name)]


def test_every_operation_on_the_list_exists():
    tensorflow()
    from tensorflow.python.framework import op_def_registry

    assert [name for name in sorted(PURE_OPERATIONS) if op_def_registry.get(name) is None] == []


def test_what_is_stateful_on_the_list_is_a_variable_random_or_a_call():
    """TensorFlow's own mark for operations with effects: no such operation gets on the list unseen."""
    tensorflow()
    from tensorflow.python.framework import op_def_registry

    stateful = {name for name in PURE_OPERATIONS if op_def_registry.get(name).is_stateful}
    known = (
        "Variable",
        "Random",
        "Stateful",
        "Rng",
        "TensorArray",
        "ResourceGather",
        "VarHandle",
        "VarIsInit",
        "Multinomial",
        "Truncated",
    )
    assert {name for name in stateful if not any(word in name for word in known)} == {
        "Assert", "Case", "CheckNumerics", "DisableCopyOnRead", "If", "IsVariableInitialized", "Placeholder", "While",
    } & stateful  # fmt: skip


# -- where it can hide -------------------------------------------------------------------------------------------------


def in_a_call(d):
    function(d, "hidden", "ReadFile")
    node(d, "call", "StatefulPartitionedCall").attr["f"].func.name = "hidden"


def in_a_function_of_a_function(d):
    function(d, "hidden", "ReadFile")
    function(d, "outer", "PartitionedCall").node_def[0].attr["f"].func.name = "hidden"


def in_a_branch(d):
    function(d, "hidden", "ReadFile")
    function(d, "harmless", "NoOp")
    branch = node(d, "branch", "If", ["x"])
    branch.attr["then_branch"].func.name, branch.attr["else_branch"].func.name = "harmless", "hidden"


def in_a_loop(d):
    function(d, "hidden", "ReadFile")
    node(d, "loop", "While").attr["body"].func.name = "hidden"


def in_a_list_of_branches(d):
    function(d, "hidden", "ReadFile")
    node(d, "case", "Case").attr["branches"].list.func.add().name = "hidden"


def in_an_attribute_of_a_function(d):
    function(d, "hidden", "ReadFile")
    function(d, "outer", "NoOp")
    node(d, "call", "PartitionedCall").attr["f"].func.name = "outer"
    d.meta_graphs[0].graph_def.node[-1].attr["f"].func.attr["g"].func.name = "hidden"


def called_by_its_name(d):
    function(d, "hidden", "ReadFile")
    node(d, "call", "hidden")


def never_called(d):
    function(d, "hidden", "ReadFile")


def in_another_signature(d):
    node(d, "other", "ReadFile", ["x"])
    d.meta_graphs[0].signature_def["other"].outputs["y"].name = "other:0"


def in_a_second_graph(d):
    d.meta_graphs.add().meta_info_def.tags.append("train")
    node(d, "other", "ReadFile", meta=1)


def in_the_initialiser(d):
    node(d, "start", "ReadFile")
    d.meta_graphs[0].collection_def["saved_model_main_op"].node_list.value.append("start")


def in_a_control_input(d):
    node(d, "first", "ReadFile")
    next(n for n in d.meta_graphs[0].graph_def.node if n.name == "y").input.append("^first")


def as_the_saver_that_the_answer_needs(d):
    """The part that saves is not looked at, for it is never run; here the answer needs it."""
    in_a_control_input(d)
    d.meta_graphs[0].saver_def.save_tensor_name = "first:0"


def as_the_saver_that_the_initialiser_needs(d):
    in_the_initialiser(d)
    d.meta_graphs[0].saver_def.save_tensor_name = "start:0"


def in_a_function_that_the_saver_shares(d):
    in_a_call(d)
    node(d, "save", "StatefulPartitionedCall").attr["f"].func.name = "hidden"
    d.meta_graphs[0].saver_def.save_tensor_name = "save:0"


def in_the_restoring(d):
    node(d, "restore", "ReadFile")
    d.meta_graphs[0].saver_def.restore_op_name = "restore"


def under_a_device(d):
    node(d, "first", "ReadFile").device = "/job:worker/task:7"


@pytest.mark.parametrize(
    "place",
    [in_a_call, in_a_function_of_a_function, in_a_branch, in_a_loop, in_a_list_of_branches, in_an_attribute_of_a_function,
     called_by_its_name, never_called, in_another_signature, in_a_second_graph, in_the_initialiser, in_a_control_input,
     as_the_saver_that_the_answer_needs, as_the_saver_that_the_initialiser_needs, in_a_function_that_the_saver_shares,
     in_the_restoring, under_a_device],
)  # fmt: skip
def test_an_operation_is_found_wherever_it_hides(tmp_path, here, place):
    with pytest.raises(UntrustedModelError, match="operation 'ReadFile'"):
        SavedModelEngine(build(tmp_path / "net", change=place))


def shadow(d):
    function(d, "Relu", "NoOp")


def constant_of_a_resource(d):
    value = node(d, "handle", "Const").attr["value"].tensor
    value.dtype = 20


def weights_of_another_file(d):
    """Weights are read from the name that is given to the graph, and from no other."""
    node(d, "elsewhere", "Const")
    node(d, "names", "Const")
    node(d, "restore", "RestoreV2", ["elsewhere", "names", "names"])
    d.meta_graphs[0].saver_def.restore_op_name = "restore"
    d.meta_graphs[0].saver_def.filename_tensor_name = "given:0"
    node(d, "given", "Placeholder")


def weights_of_another_file_in_a_function(d):
    reader = function(d, "reader", "RestoreV2")
    reader.signature.input_arg.add().name = "given"
    reader.node_def[0].input.append("elsewhere:output:0")
    node(d, "given", "Placeholder")
    call = node(d, "restore", "StatefulPartitionedCall", ["given"])
    call.attr["f"].func.name = "reader"
    d.meta_graphs[0].saver_def.restore_op_name = "restore"
    d.meta_graphs[0].saver_def.filename_tensor_name = "given:0"


@pytest.mark.parametrize(
    ("change", "match"),
    [(shadow, "'Relu' like an operation"), (constant_of_a_resource, "'handle' that is no number"),
     (weights_of_another_file, "'RestoreV2'"), (weights_of_another_file_in_a_function, "'RestoreV2'")],
)  # fmt: skip
def test_other_ways_to_hide(tmp_path, here, change, match):
    with pytest.raises(UntrustedModelError, match=match):
        SavedModelEngine(build(tmp_path / "net", change=change))


def twice(d):
    function(d, "a", "NoOp")
    function(d, "a", "NoOp")


def missing_function(d):
    node(d, "call", "PartitionedCall").attr["f"].func.name = "WriteFile"


def large_constant(d):
    value = node(d, "large", "Const").attr["value"].tensor
    value.dtype = 1
    value.float_val.append(0)
    value.tensor_shape.dim.add().size = 3 << 30


def missing_node(d):
    d.meta_graphs[0].saver_def.restore_op_name = "nowhere"


def no_graph(d):
    del d.meta_graphs[:]


def no_signature(d):
    d.meta_graphs[0].signature_def.clear()


@pytest.mark.parametrize(
    ("change", "match"),
    [(twice, "'a' is there twice"), (missing_function, "no function 'WriteFile'"), (large_constant, r"constant of 12\.0 GiB"),
     (no_graph, "holds no graph"), (no_signature, "no signature to call"),
     (missing_node, "nowhere")],
)  # fmt: skip
def test_damaged_graphs(tmp_path, here, change, match):
    with pytest.raises(ModelError, match=match):
        SavedModelEngine(build(tmp_path / "net", change=change))


def test_weights_outside_the_folder(tmp_path):
    folder = build(tmp_path / "net")
    (folder / "variables").mkdir()
    (tmp_path / "private").write_text("x")
    (folder / "variables" / "variables.index").symlink_to(tmp_path / "private")
    with pytest.raises(ModelError, match=r"is a link to .*private"):
        SavedModelEngine(folder)
    (folder / "variables" / "variables.index").unlink()
    os.mkfifo(folder / "variables" / "variables.index")
    with pytest.raises(ModelError, match="no regular file"):
        SavedModelEngine(folder)


def test_a_snapshot_of_links_is_no_attack(tmp_path, here):
    """The Hugging Face cache: files in blobs, links to them in snapshots."""
    (tmp_path / "cache").mkdir()
    real = build(tmp_path / "cache" / "blobs")
    folder = tmp_path / "cache" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").symlink_to(real / "saved_model.pb")
    assert SavedModelEngine(folder).classes == 3


# -- a process of its own ----------------------------------------------------------------------------------------------


def only_for(tf, x, number, harm, harmless):
    """Something that happens to pictures whose first pixel is a number, so that one network can be asked for everything."""
    return tf.cond(tf.equal(x[0, 0, 0, 0], number), harm, harmless)


def everything(tf, x, folder):
    def loop():
        return tf.while_loop(
            lambda i: i > 0, lambda i: i + 1 - 1 + 0 * tf.cast(x[0, 0, 1, 0], tf.int64), [tf.constant(1, tf.int64)]
        )[0]

    def fill():
        return tf.cast(tf.reduce_sum(tf.fill([tf.cast(x[0, 0, 0, 0], tf.int64) * (1 << 28), 4], 1.0)), tf.int64)

    def fail():
        with tf.control_dependencies([tf.debugging.Assert(x[0, 0, 0, 0] < 0, ["evil \x1b[31m text"])]):
            return tf.constant(1, tf.int64)

    number = tf.constant(0, tf.int64)
    for when, harm in ((7.0, loop), (12.0, fill), (15.0, fail)):
        number += only_for(tf, x, when, harm, lambda: tf.constant(0, tf.int64))
    return [number]


@pytest.mark.slow
def test_what_a_graph_may_do_to_its_own_process(tmp_path, monkeypatch):
    """Loops, 12 GiB from a few bytes, failures and crashes end in one sentence each, and the next picture is answered."""
    engine = SavedModelEngine(build(tmp_path / "net", everything))
    process = engine._process._child.process
    expected = PICTURES.reshape(2, 16)[:, :3] - 1
    assert np.array_equal(engine.logits(PICTURES), expected)

    def ends(number, match):
        pictures = PICTURES.copy()
        pictures[0, 0, 0, 0] = number
        with pytest.raises(ModelError, match=match) as caught:
            engine.logits(pictures)
        assert "\n" not in str(caught.value)
        assert str(caught.value).isprintable()

    ends(
        12, "fails on a picture .*(OOM|memory|allocat)"
    )  # TensorFlow waits ten seconds for memory, whatever asks for it
    ends(15, "fails on a picture .*assertion failed")
    assert engine._process._child.process is process, "what fails needs no new process"
    assert np.array_equal(engine.logits(PICTURES), expected)
    with monkeypatch.context() as patch:
        patch.setattr(savedmodel, "WAIT", 1.0)
        patch.setattr(savedmodel, "WAIT_PER_PICTURE", 0.0)
        ends(7, "gave no answer within 1 s")
    assert process.returncode is not None
    assert np.array_equal(engine.logits(PICTURES), expected)

    process = engine._process._child.process
    os.kill(process.pid, signal.SIGSEGV)
    with pytest.raises(ModelError, match="ended TensorFlow's process"):
        engine.logits(PICTURES)


@pytest.mark.slow
def test_the_answer_of_another_process_is_refused_by_the_same_sentence(tmp_path):
    folder = build(tmp_path / "net", EFFECTS["WriteFile"])
    before = sorted(folder.rglob("*"))
    with pytest.raises(UntrustedModelError, match=r"'WriteFile'.*--trust"):
        SavedModelEngine(folder)
    assert sorted(folder.rglob("*")) == before
