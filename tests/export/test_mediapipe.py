"""MediaPipe opens `.tflite` files, and its own readers find what was written."""

import zipfile

import numpy as np
import pytest

from export.tiny_models import blotchy_images, tiny_unet
from segshrink.export import export_model, read_metadata, write_metadata
from segshrink.records.measurement import ClassColor
from segshrink.records.metadata import FileMetadata
from segshrink.runtimes import classes_of_image, load_artifact, shipped_model

mediapipe = pytest.importorskip("mediapipe")

SIZE_PX = 32
IMAGES = blotchy_images(8, size_px=SIZE_PX)
NAMES = ("Straße", "Haus", "Baum", "Weg")
METADATA = FileMetadata(
    classes=tuple(
        ClassColor(name=name, color=(1, 2, place)) for place, name in enumerate(NAMES)
    )
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, model = tmp_path_factory.mktemp("files"), tiny_unet()
    written = {"shipped": shipped_model()}
    for quantize in ("float", "int8"):
        written[quantize] = export_model(
            model,
            folder / f"{quantize}.tflite",
            quantize=None if quantize == "float" else quantize,
            calibration=None if quantize == "float" else IMAGES,
            metadata=METADATA,
        )
    return written


def segmented(path, image):
    """Labels, class of each pixel, and probability of each class, of MediaPipe."""
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_path=str(path)),
        output_category_mask=True,
        output_confidence_masks=True,
    )
    with vision.ImageSegmenter.create_from_options(options) as segmenter:
        found = segmenter.segment(
            mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
        )
        masks = [mask.numpy_view().squeeze() for mask in found.confidence_masks]
        category = found.category_mask.numpy_view().squeeze().copy()
        return segmenter.labels, category, np.stack(masks, axis=-1).copy()


@pytest.mark.parametrize("which", ["shipped", "float", "int8"])
def test_its_segmenter_gives_our_mask(files, which):
    artifact = load_artifact(files[which])
    size_px = artifact.input_shape[0]
    image = np.ascontiguousarray(blotchy_images(1, size_px=size_px)[0])
    labels, category, confidence = segmented(files[which], image)
    assert labels == [each.name for each in artifact.metadata.classes]
    ours = classes_of_image(artifact, image)
    assert len(np.unique(ours)) > 1
    logits = artifact.predict(image[None])[0].astype(np.float64)
    # Its build of LiteRT may round an int8 logit to the next step.
    step = np.diff(np.unique(logits)).min() if which == "int8" else 0
    chosen = np.take_along_axis(logits, category[..., None], -1)[..., 0]
    assert (logits.max(-1) - chosen).max() <= 1.001 * step
    assert (category == ours).mean() > (0.99 if which == "int8" else 0.99999)
    odds = np.exp(logits - logits.max(-1, keepdims=True))
    expected = odds / odds.sum(-1, keepdims=True)
    np.testing.assert_allclose(confidence, expected, atol=1e-3 + step)


def test_a_file_without_classes_opens_too(tmp_path):
    path = export_model(tiny_unet(), tmp_path / "plain.tflite")
    assert read_metadata(path) is None
    labels, category, _ = segmented(path, np.ascontiguousarray(IMAGES[0]))
    assert not labels
    assert (category == classes_of_image(load_artifact(path), IMAGES[0])).mean() == 1


def test_its_own_reader_finds_what_was_written(files):
    from ai_edge_litert.tools import flatbuffer_utils
    from mediapipe.tasks.metadata import image_segmenter_metadata_schema_py_generated
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema

    segmenter_schema = image_segmenter_metadata_schema_py_generated
    model = flatbuffer_utils.read_model(str(files["int8"]))
    buffers = {entry.name: entry.buffer for entry in model.metadata}
    content = bytes(model.buffers[buffers[b"TFLITE_METADATA"]].data)
    assert schema.ModelMetadata.ModelMetadataBufferHasIdentifier(content, 0)
    root = schema.ModelMetadataT.InitFromObj(schema.ModelMetadata.GetRootAs(content, 0))
    assert root.minParserVersion == b"1.5.0"
    (graph,) = root.subgraphMetadata
    (image,), (logits,) = graph.inputTensorMetadata, graph.outputTensorMetadata
    assert image.content.contentProperties.colorSpace == schema.ColorSpaceType.RGB
    (unit,) = image.processUnits
    assert isinstance(unit.options, schema.NormalizationOptionsT)
    assert (unit.options.mean, unit.options.std) == ([0], [1])
    assert (list(image.stats.min), list(image.stats.max)) == ([0], [255])
    kinds = schema.AssociatedFileType
    assert [(x.name, x.type) for x in logits.associatedFiles] == [
        (b"labels.txt", kinds.TENSOR_AXIS_LABELS),
        (b"colors.txt", kinds.DESCRIPTIONS),
    ]
    (custom,) = graph.customMetadata
    assert custom.name == b"SEGMENTER_METADATA"
    options = segmenter_schema.ImageSegmenterOptions.GetRootAs(bytes(custom.data), 0)
    assert options.Activation() == segmenter_schema.Activation.SOFTMAX


def test_names_and_colours_follow_the_model(files):
    with zipfile.ZipFile(files["float"]) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode().splitlines() == list(NAMES)
        assert archive.read("colors.txt").decode().split()[-1] == "#010203"
        # As Android's reader wants them: at their place in the file, as they are.
        for entry in archive.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            start = entry.header_offset + 30 + len(entry.filename)
            stored = files["float"].read_bytes()[start : start + entry.file_size]
            assert stored == archive.read(entry.filename)


def test_writing_again_gives_the_same_bytes(files):
    before = files["int8"].read_bytes()
    write_metadata(files["int8"], read_metadata(files["int8"]))
    assert files["int8"].read_bytes() == before
