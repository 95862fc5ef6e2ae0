"""Every student in every format and precision: opened, compared, timed."""

import keras
import numpy as np
import pytest

from export.tiny_models import blotchy_images
from segshrink.export import export_model, read_metadata, write_metadata
from segshrink.export.checksum import Checksum, checksum_of
from segshrink.formats import EXPORTED, Precision
from segshrink.measuring import check_export, measure_latency, measure_size
from segshrink.models import build_model
from segshrink.pruning import plan_pruning
from segshrink.records.files import model_files
from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata, Reached
from segshrink.runtimes import load_artifact

SIZE = (64, 96)
IMAGES = blotchy_images(12, size_px=96)[:, : SIZE[0]]
METADATA = FileMetadata(
    classes=[
        ClassColor(name=name, color=(1, 2, place))
        for place, name in enumerate(("Straße", "Haus", "Baum", "Weg"))
    ],
    quality=None,
)
CASES = [(format, each) for format in EXPORTED for each in format.precisions]

each_case = pytest.mark.parametrize(
    ("format", "precision"), CASES, ids=[f"{f}-{p}" for f, p in CASES]
)


def compact():
    return build_model("compact", num_classes=4, input_shape=(*SIZE, 3), width=16)


def small_unet():
    return build_model(
        "unet", num_classes=4, input_shape=(*SIZE, 3), base_filters=8, levels=2
    )


def pruned():
    return plan_pruning(small_unet(), keep=0.5).apply(small_unet())


STUDENTS = {"compact": compact, "unet": small_unet, "pruned": pruned}


@pytest.fixture(scope="module", params=STUDENTS)
def student(request):
    """With statistics and logits of a model that has seen data."""
    keras.utils.set_random_seed(1)
    model = STUDENTS[request.param]()
    model.compile(keras.optimizers.SGD(0.0), loss="mse")
    targets = np.zeros((len(IMAGES), *SIZE, 4), np.float32)
    model.fit(IMAGES.astype(np.float32), targets, epochs=8, batch_size=4, verbose=0)
    last = next(x for x in model.layers[::-1] if isinstance(x, keras.layers.Conv2D))
    kernel, bias = last.get_weights()
    logits = model.predict(IMAGES.astype(np.float32), verbose=0)
    scale = 4 / logits.std()
    last.set_weights([scale * kernel, bias - scale * logits.mean(axis=(0, 1, 2))])
    return model


@pytest.fixture
def file(student, format, precision, tmp_path):
    pytest.importorskip(format.runtime_module)
    calibration = IMAGES if precision.is_calibrated else None
    return export_model(
        student,
        tmp_path / f"s{format.suffix}",
        format=format,
        quantize=precision,
        calibration=calibration,
        metadata=METADATA,
    )


@each_case
def test_a_student_in_every_format(student, file, format, precision):
    assert checksum_of(file) is Checksum.FITS
    artifact = load_artifact(file)
    assert artifact.runtime == format
    assert artifact.input_shape == SIZE and artifact.num_classes == 4
    assert artifact.metadata == METADATA == read_metadata(file)

    comparison = check_export(student, file, IMAGES, quantize=precision)
    least = {Precision.FLOAT32: 0.999, Precision.FLOAT16: 0.99}.get(precision, 0.9)
    assert comparison.agreement >= least

    before = artifact.predict(IMAGES[:2])
    reached = Reached(mean_iou=0.5)
    write_metadata(file, METADATA.model_copy(update={"quality": reached}))
    again = load_artifact(file)
    assert again.metadata.quality == reached
    assert checksum_of(file) is Checksum.FITS
    assert again.metadata.classes == METADATA.classes
    np.testing.assert_array_equal(again.predict(IMAGES[:2]), before)

    *_, weights = model_files(file)
    damaged = bytearray(weights.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    whole = weights.read_bytes()
    weights.write_bytes(damaged)
    assert checksum_of(file) is Checksum.DIFFERS
    weights.write_bytes(whole)

    latency = measure_latency([file], rounds=3)[file]
    assert 0 < latency.min_ms <= latency.median_ms
    assert measure_size(file).size_bytes > 0
