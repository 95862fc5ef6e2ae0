"""The vocabulary of formats and precisions."""

import pytest

from segshrink.formats import EXPORTED, Format, Precision, listed_suffixes


@pytest.mark.parametrize("format", Format)
def test_a_format_is_known_by_its_suffix(format):
    assert Format.of_file(f"folder.onnx/model{format.suffix}") is format
    assert format.precisions[0] is Precision.FLOAT32


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
    assert set(EXPORTED) == set(Format) - {Format.KERAS}


def test_suffixes_are_listed_for_readers():
    assert listed_suffixes([Format.OPENVINO, Format.ONNX]) == ".xml, .onnx"


def test_quantize_names_a_precision_and_none_is_float32():
    assert Precision.of(None) is Precision.FLOAT32
    assert Precision.of("full_int8") is Precision.FULL_INT8
    assert [each.label for each in Precision][:2] == ["float", "float16"]
    calibrated = {each for each in Precision if each.is_calibrated}
    assert calibrated == {Precision.INT8, Precision.FULL_INT8}
    with pytest.raises(ValueError, match="int4"):
        Precision.of("int4")
