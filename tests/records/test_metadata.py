"""Metadata of exported files."""

from segshrink.records.metadata import FileMetadata, Reached

WRITTEN = {
    "input": {"height": 64, "width": 96, "channels": "RGB", "range": [0, 255]},
    "classes": [{"name": "Straße", "color": [1, 2, 3]}],
    "quality": None,
    "invented_later": {"by": "a newer version"},
}


def test_what_was_read_is_written_again_and_nothing_else():
    metadata = FileMetadata.model_validate(WRITTEN)
    assert metadata.classes[0].color == (1, 2, 3)
    assert metadata.as_plain() == WRITTEN
    assert FileMetadata().as_plain() == {}


def test_scores_are_added_to_what_was_read():
    metadata = FileMetadata.model_validate(WRITTEN)
    reached = Reached(part="test", images=3, mean_iou=0.5, pixel_accuracy=None)
    scored = metadata.model_copy(update={"quality": reached})
    assert scored.as_plain() == WRITTEN | {
        "quality": {
            "part": "test",
            "images": 3,
            "mean_iou": 0.5,
            "pixel_accuracy": None,
        }
    }
