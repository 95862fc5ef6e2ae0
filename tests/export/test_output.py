"""Files that give probabilities or classes, against the same file with logits."""

import importlib.util

import numpy as np
import pytest

from export.tiny_models import blotchy_images, tiny_unet
from segshrink.errors import ExportError, ModelError, UsageError
from segshrink.export import export_model, read_metadata, set_output, write_metadata
from segshrink.export.metadata import litert_metadata
from segshrink.formats import EXPORTED, Format, Precision
from segshrink.records.files import model_files
from segshrink.records.metadata import FileMetadata
from segshrink.runtimes import (
    classes_of_image,
    gives_classes,
    load_artifact,
    predict_classes,
    require_scores,
)

IMAGES = blotchy_images(6, size_px=32)
CASES = [
    (format, precision)
    for format in EXPORTED
    for precision in format.precisions
    if importlib.util.find_spec(format.runtime_module.partition(".")[0])
]
# The first probability of int8 above zero is 1/256.
_INT8_STEP = 1 / 256


@pytest.fixture(scope="module", params=CASES, ids=[f"{f}-{p}" for f, p in CASES])
def files(request, tmp_path_factory):
    format, precision = request.param
    folder, model = tmp_path_factory.mktemp("files"), tiny_unet()
    return precision, {
        output: export_model(
            model,
            folder / f"{output}{format.suffix}",
            quantize=None if precision is Precision.FLOAT32 else precision,
            calibration=IMAGES if precision.is_calibrated else None,
            output=output,
        )
        for output in ("logits", "probabilities", "classes")
    }


def softmax(logits):
    odds = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def test_classes_are_those_of_the_logits(files):
    _, paths = files
    expected = load_artifact(paths["logits"]).predict(IMAGES).argmax(-1)
    assert len(np.unique(expected)) > 2
    artifact = load_artifact(paths["classes"])
    found = predict_classes(artifact, IMAGES)
    assert found.dtype == np.uint8
    assert (found == expected).mean() > 0.9999
    scores = artifact.predict(IMAGES)
    assert scores.shape == (*IMAGES.shape[:3], 4)
    np.testing.assert_array_equal(scores.argmax(-1), found)
    np.testing.assert_array_equal(classes_of_image(artifact, IMAGES[0]), found[0])
    assert read_metadata(paths["classes"]).output == "classes"
    with pytest.raises(UsageError, match="classes.*alone, but --confidence needs"):
        require_scores(artifact, "--confidence")


def test_probabilities_are_the_softmax_of_the_logits(files):
    precision, paths = files
    artifact = load_artifact(paths["probabilities"])
    expected = softmax(load_artifact(paths["logits"]).predict(IMAGES))
    # Their logarithm is what they are read as.
    found = softmax(artifact.predict(IMAGES))
    tolerance = _INT8_STEP if precision is Precision.FULL_INT8 else 1e-5
    np.testing.assert_allclose(found, expected, atol=tolerance)
    assert not gives_classes(artifact)
    assert read_metadata(paths["probabilities"]).output == "probabilities"


def test_a_temperature_divides_the_logits(files, tmp_path):
    precision, paths = files
    path = copied(paths["logits"], tmp_path)
    if precision is Precision.FULL_INT8:
        # The file shows it, too, where no metadata say so.
        for known in (FileMetadata(), FileMetadata(precision=precision)):
            write_metadata(path, known)
            before = path.read_bytes()
            with pytest.raises(UsageError, match="full_int8 file cannot be divided"):
                set_output(path, temperature=2)
            assert path.read_bytes() == before
        return
    set_output(path, "logits", temperature=2.5)
    before = load_artifact(paths["logits"]).predict(IMAGES)
    after = load_artifact(path).predict(IMAGES)
    np.testing.assert_allclose(2.5 * after, before, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(after.argmax(-1), before.argmax(-1))
    assert read_metadata(path).temperature == 2.5
    with pytest.raises(ExportError, match="its output is settled already"):
        set_output(path, "classes")


def copied(path, folder):
    for file in model_files(path):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder / path.name


@pytest.fixture(scope="module")
def logits_file(tmp_path_factory):
    return export_model(tiny_unet(), tmp_path_factory.mktemp("one") / "m.tflite")


def test_what_has_no_effect_or_sense_is_refused(logits_file, tmp_path):
    path = copied(logits_file, tmp_path)
    before = path.read_bytes()
    set_output(path)
    with pytest.raises(UsageError, match="must be one of logits, probabilities, class"):
        set_output(path, "masks")
    with pytest.raises(UsageError, match="changes no class and has no effect"):
        set_output(path, "classes", temperature=2)
    with pytest.raises(UsageError, match="temperature must be above 0, got -1"):
        set_output(path, temperature=-1)
    assert path.read_bytes() == before
    with pytest.raises(ExportError, match="only of .tflite, .onnx, .xml files"):
        set_output(tmp_path / "m.keras", "classes")


def test_the_number_of_classes_must_be_known(logits_file, tmp_path):
    path = copied(logits_file, tmp_path)
    set_output(path, "classes")
    write_metadata(path, FileMetadata())
    with pytest.raises(ModelError, match="does not say how many classes there are"):
        load_artifact(path)


def test_int8_logits_are_not_converted_before_their_classes_are_found(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    path = export_model(
        tiny_unet(),
        tmp_path / "m.tflite",
        quantize="int8",
        calibration=IMAGES,
        output="classes",
    )
    interpreter = Interpreter(model_path=str(path))
    operations = [each["op_name"] for each in interpreter._get_ops_details()]
    assert operations[-2:] == ["ARG_MAX", "CAST"]
    assert "DEQUANTIZE" not in operations
    # The official metadata and the names in them are written anew.
    assert litert_metadata(path.read_bytes(), path).num_classes == 4
    assert Format.of_file(path) is Format.LITERT
