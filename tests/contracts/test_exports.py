"""Every student in every form: opened again, held against its model, timed."""

import keras
import numpy as np
import pytest

from export.tiny_models import blotchy_images
from segshrink.export import export_model, read_metadata, write_metadata
from segshrink.export.exporting import CALIBRATED, FORMS, SUFFIXES
from segshrink.measuring import check_export, measure_latency, measure_size
from segshrink.models import build_model
from segshrink.pruning import plan_pruning
from segshrink.runtimes import load_artifact

SIZE = (64, 96)
IMAGES = blotchy_images(12, size_px=96)[:, : SIZE[0]]
FACTS = {"classes": [{"name": "Straße", "color": [1, 2, 3]}], "quality": None}
CASES = [(format, form) for format, forms in FORMS.items() for form in forms]

each_form = pytest.mark.parametrize(
    ("format", "quantize"), CASES, ids=[f"{f}-{q or 'float32'}" for f, q in CASES]
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
def file(student, format, quantize, tmp_path):
    calibration = IMAGES if quantize in CALIBRATED else None
    return export_model(
        student,
        tmp_path / f"s{SUFFIXES[format]}",
        format=format,
        quantize=quantize,
        calibration=calibration,
        facts=FACTS,
    )


@each_form
def test_a_student_in_every_form(student, file, format, quantize):
    pytest.importorskip({"litert": "ai_edge_litert"}.get(format, format))
    artifact = load_artifact(file)
    assert artifact.runtime == format
    assert artifact.input_shape == SIZE and artifact.num_classes == 4
    assert artifact.facts == FACTS == read_metadata(file)

    found = check_export(student, file, IMAGES, quantize=quantize)
    least = {None: 0.999, "float16": 0.99}.get(quantize, 0.9)
    assert found["agreement"] >= least

    before = artifact.predict(IMAGES[:2])
    write_metadata(file, FACTS | {"quality": {"mean_iou": 0.5}})
    again = load_artifact(file)
    assert again.facts["quality"] == {"mean_iou": 0.5}
    np.testing.assert_array_equal(again.predict(IMAGES[:2]), before)

    record = measure_latency([file], rounds=3)[file]
    assert 0 < record["min_ms"] <= record["median_ms"]
    assert measure_size(file)["size_bytes"] > 0
