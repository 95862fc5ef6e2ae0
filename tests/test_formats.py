"""The vocabulary of formats and precisions."""

import pytest

from segshrink.formats import EXPORTED, Format, Precision, listed_suffixes, remedy_for


@pytest.mark.parametrize("format", sorted(set(Format) - {Format.SAVED_MODEL}))
def test_a_format_is_known_by_its_suffix(format):
    for suffix in (format.suffix, *format.other_suffixes):
        assert Format.of_file(f"folder.onnx/model{suffix}") is format
    assert format.precisions[0] is Precision.FLOAT32


def test_a_saved_model_is_known_by_the_file_in_it(tmp_path):
    assert Format.of_file(tmp_path) is None
    (tmp_path / "saved_model.pb").touch()
    assert Format.of_file(tmp_path) is Format.SAVED_MODEL
    assert Format.of_file(tmp_path / "saved_model.pb") is None


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("m.pt", "torch.onnx.export"),
        ("m.PTH", "torch.onnx.export"),
        ("m.safetensors", "torch.onnx.export"),
        ("m.ckpt", "model.load_weights"),
        ("m.npz", "model.set_weights"),
        ("saved_model.pb", "name the folder"),
    ],
)
def test_files_of_other_frameworks_have_a_remedy(name, remedy):
    assert Format.of_file(name) is None
    assert remedy in (remedy_for(name) or "")
    assert remedy_for("m.onnx") is None


def test_other_suffixes_name_no_format():
    assert Format.of_file("model.pb") is None
    assert Format.of_file("tflite") is None


def test_no_two_formats_look_alike():
    for names in (
        {each.suffix for each in Format},
        {each.label for each in Format},
        {each.runtime_label for each in Format},
        {each.runtime_module for each in Format},
    ):
        assert len(names) == len(Format)


def test_keras_is_not_exported():
    assert set(EXPORTED) == set(Format) - {Format.KERAS, Format.SAVED_MODEL}


def test_suffixes_are_listed_for_readers():
    assert listed_suffixes([Format.OPENVINO, Format.ONNX]) == ".xml, .onnx"
    assert listed_suffixes([Format.KERAS]) == ".keras, .h5, .hdf5"
    assert listed_suffixes([Format.SAVED_MODEL]) == "a SavedModel folder"


def test_quantize_names_a_precision_and_none_is_float32():
    assert Precision.of(None) is Precision.FLOAT32
    assert Precision.of("full_int8") is Precision.FULL_INT8
    assert [each.label for each in Precision][:2] == ["float", "float16"]
    calibrated = {each for each in Precision if each.is_calibrated}
    assert calibrated == {Precision.INT8, Precision.FULL_INT8}
    with pytest.raises(ValueError, match="int4"):
        Precision.of("int4")
