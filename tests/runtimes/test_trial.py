"""Files that lie or are damaged: refused in a process that they may crash."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from segshrink.errors import ModelError, SegshrinkWarning
from segshrink.export import read_metadata, write_metadata
from segshrink.export.checksum import Checksum, checksum_of
from segshrink.records.metadata import FileMetadata, InputImage
from segshrink.runtimes import load_artifact, shipped_model, trial
from segshrink.runtimes.artifact import checked_signature

flatbuffer_utils = pytest.importorskip("ai_edge_litert.tools.flatbuffer_utils")


@pytest.fixture
def own(tmp_path) -> Path:
    """The shipped model, as this version writes it: with a checksum."""
    path = tmp_path / "own.tflite"
    shutil.copy(shipped_model(), path)
    write_metadata(path, read_metadata(path))
    return path


def _changed(path: Path, change) -> Path:
    """A file of another writer, whose graph was changed."""
    model = flatbuffer_utils.read_model(str(shipped_model()))
    change(model)
    flatbuffer_utils.write_model(model, str(path))
    return path


def _from_elsewhere(path: Path) -> Path:
    """The shipped model as others write it: without metadata, so without a checksum."""

    def forget(model):
        for entry in model.metadata:
            model.buffers[entry.buffer].data = None
        model.metadata = []

    return _changed(path, forget)


def _tensor(model, kind):
    graph = model.subgraphs[0]
    return graph.tensors[(graph.inputs if kind == "input" else graph.outputs)[0]]


def _shaped(kind, *shape):
    def change(model):
        _tensor(model, kind).shape = np.array(shape, np.int32)

    return change


def _without_buffers(model):
    for buffer in model.buffers:
        buffer.data = None


def _out_of_bounds(model):
    model.subgraphs[0].operators[3].inputs[1] = 100_000


LIES = {
    "0 rows": _shaped("input", 1, 0, 256, 3),
    "0 channels": _shaped("input", 1, 256, 256, 0),
    "10^5 x 10^5": _shaped("input", 1, 100_000, 100_000, 3),
    "no buffers": _without_buffers,
    "index out of bounds": _out_of_bounds,
}


@pytest.mark.parametrize("lie", LIES)
def test_lying_litert_file_is_one_error(tmp_path, lie):
    path = _changed(tmp_path / "lie.tflite", LIES[lie])
    with pytest.raises(ModelError, match="lie.tflite: "):
        load_artifact(path)


def test_constant_that_is_larger_than_memory(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    size = helper.make_tensor("s", onnx.TensorProto.INT64, [2], [3_000_000, 3_000_000])
    graph = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["size"], ["large"]),
            helper.make_node("ReduceMean", ["large"], ["mean"], keepdims=0),
            helper.make_node("Add", ["image", "mean"], ["logits"]),
        ],
        "bomb",
        [helper.make_tensor_value_info("image", float32, [1, 8, 8, 3])],
        [helper.make_tensor_value_info("logits", float32, [1, 8, 8, 3])],
    )
    size.name = "size"
    graph.initializer.append(size)
    path = tmp_path / "bomb.onnx"
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    with pytest.raises(ModelError, match="bomb.onnx: not a readable ONNX file"):
        load_artifact(path)


def test_crash_of_the_runtime_is_told(tmp_path, monkeypatch):
    script = tmp_path / "crash.py"
    script.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(trial, "_SCRIPT", script)
    path = _from_elsewhere(tmp_path / "crash.tflite")
    with pytest.raises(ModelError, match="its runtime crashes of it with SIGSEGV"):
        load_artifact(path)
    script.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(trial, "_SECONDS", 1)
    with pytest.raises(ModelError, match="takes more than 1 s for one image"):
        load_artifact(path)


def test_file_from_elsewhere_is_opened_after_its_trial(tmp_path):
    path = _from_elsewhere(tmp_path / "elsewhere.tflite")
    assert checksum_of(path) is Checksum.MISSING
    began = time.monotonic()
    first = load_artifact(path)
    assert time.monotonic() - began < 20
    image = np.zeros((1, *first.input_shape, 3), np.uint8)
    again = load_artifact(shipped_model())
    np.testing.assert_array_equal(first.predict(image), again.predict(image))


def test_own_files_need_no_trial(own, monkeypatch):
    def refused(*arguments, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", refused)
    assert checksum_of(own) is Checksum.FITS
    assert load_artifact(own).metadata == read_metadata(own)
    load_artifact(shipped_model())


def test_damage_in_the_weights_alone_is_found(own):
    content = bytearray(own.read_bytes())
    for place in (len(content) // 2, len(content) // 3, 5000):
        damaged = bytearray(content)
        damaged[place] ^= 1
        own.write_bytes(damaged)
        assert checksum_of(own) is Checksum.DIFFERS
        with pytest.raises(ModelError, match="own.tflite: damaged, .* not fit"):
            load_artifact(own)


def test_equal_metadata_give_equal_bytes(own):
    before = own.read_bytes()
    write_metadata(own, read_metadata(own))
    assert own.read_bytes() == before


def test_metadata_that_contradict_the_file_are_told_and_ignored(own):
    metadata = read_metadata(own)
    wrong = {
        "input": InputImage(height=64, width=32),
        "classes": metadata.classes[:2],
    }
    for field, value in wrong.items():
        write_metadata(own, metadata.model_copy(update={field: value}))
        with pytest.warns(SegshrinkWarning, match="since they contradict it: "):
            assert load_artifact(own).metadata is None
    write_metadata(own, FileMetadata())
    assert load_artifact(own).metadata == FileMetadata()


@pytest.mark.parametrize(
    ("image", "logits", "expected"),
    [
        ((1, 100_000, 100_000, 3), (1, 100_000, 100_000, 5), "more than any"),
        ((1, 64, 64, 3), (1, 64, 64, 300), "gives 300 classes"),
        ((1, 0, 64, 3), (1, 0, 64, 5), "of fixed size"),
        ((1, 64, 64, 3), (1, 64, 64, 0), "must be logits"),
    ],
)
def test_sizes_are_checked_before_memory_is_asked_for(image, logits, expected):
    with pytest.raises(ModelError, match=expected):
        checked_signature(Path("m.onnx"), image, logits)


def test_the_trial_imports_only_the_runtime():
    code = (
        "import runpy, sys; sys.argv = ['x', 'litert', '1', str(4 << 30), sys.argv[1]];"
        f"runpy.run_path({str(trial._SCRIPT)!r}, run_name='__main__');"
        "assert not {'keras', 'tensorflow', 'segshrink'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(shipped_model())])
    assert done.returncode == 0


def test_open_sizes_are_tried_as_they_are_run():
    from segshrink.formats import WINDOW_PX
    from segshrink.runtimes import trial_run

    assert trial_run._checked([None, "height", -1, 3]) == [1, WINDOW_PX, WINDOW_PX, 3]


def test_numbers_of_another_kind_are_told(tmp_path):
    onnx = pytest.importorskip("onnx")
    half = onnx.TensorProto.FLOAT16
    ends = [
        onnx.helper.make_tensor_value_info(name, half, (1, 8, 8, 3)) for name in "xy"
    ]
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9
    )
    onnx.save(model, str(tmp_path / "half.onnx"))
    with pytest.raises(
        ModelError, match=r"one float32 input .* got .*tensor\(float16\)"
    ):
        load_artifact(tmp_path / "half.onnx")
