"""The bytes of an ONNX file do not depend on the history of its process."""

import numpy as np
import onnx
import pytest

from segshrink.export import export_model
from segshrink.export.onnx_names import renumber
from segshrink.models import build_model, load_model

pytestmark = pytest.mark.export
SHAPE = {"num_classes": 3, "input_shape": (32, 32, 3)}


def test_an_export_after_others_has_the_same_bytes(tmp_path):
    model = build_model("unet", base_filters=4, levels=2, **SHAPE)
    model.save(tmp_path / "m.keras")
    first = export_model(load_model(tmp_path / "m.keras"), tmp_path / "a.onnx")
    other = build_model("compact", width=8, stem_stride=4, **SHAPE)
    other.compile("adam", "mse")
    other.fit(np.zeros((2, 32, 32, 3)), np.zeros((2, 32, 32, 3)), verbose=0)
    export_model(other, tmp_path / "other.onnx")
    again = export_model(load_model(tmp_path / "m.keras"), tmp_path / "b.onnx")
    assert first.read_bytes() == again.read_bytes()


def test_names_are_counted_in_the_order_of_the_file(tmp_path):
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Relu", ["image"], ["a__35:0"], name="a__35"),
        helper.make_node("Relu", ["a__35:0"], ["b__7"], name="b__7"),
        helper.make_node("Add", ["b__7", "a__35:0"], ["logits"], name="sum"),
    ]
    ends = [helper.make_tensor_value_info(x, kind, [1]) for x in ("image", "logits")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], doc_string="a path")
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph), path)
    renumber(path)
    found = onnx.load(path).graph
    assert [x.name for x in found.node] == ["a__0", "b__1", "sum"]
    assert list(found.node[2].input) == ["b__1", "a__0:0"]
    assert found.doc_string == ""
    onnx.checker.check_model(onnx.load(path))
