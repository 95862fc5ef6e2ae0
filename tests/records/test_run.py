"""Records of a run folder, as this and older versions write them."""

import json

from segshrink.records.run import ExportRecord, RunData

DATA = {
    "name": "drawn",
    "classes": {"#00FF00": "grass", "#0000FF": "water"},
    "split": {"source": "seed 0", "train": ["a", "b"], "val": ["c"], "test": []},
    "images": {"train": {"count": 2, "sha256": "ab"}},
}
ATTEMPT = {
    "max_logit_error": 0.5,
    "agreement": 0.98,
    "mean_iou": 0.5,
    "model_mean_iou": 0.505,
    "drop": 0.5,
    "remedy": None,
    "float_layers": [],
}
EXPORT = {
    "file": "student-int8.tflite",
    "model": {"parameters": 12, "macs": 34},
    **ATTEMPT,
    "attempts": [ATTEMPT],
}


def test_data_has_the_same_keys_and_order_of_classes_in_its_file(tmp_path):
    path = tmp_path / "data.json"
    path.write_text(json.dumps(DATA))
    data = RunData.read(path)
    assert list(data.classes) == ["#00FF00", "#0000FF"]
    assert data.split.scenes("train") == ("a", "b")
    data.write(path)
    assert json.loads(path.read_text()) == DATA


def test_an_export_has_the_same_keys_in_its_file(tmp_path):
    path = tmp_path / "student-int8.tflite.json"
    path.write_text(json.dumps(EXPORT))
    record = ExportRecord.read(path)
    assert record.drop == record.attempts[0].drop == 0.5
    record.write(path)
    assert json.loads(path.read_text()) == EXPORT


def test_an_export_of_an_early_version_has_no_attempts():
    plain = {key: EXPORT[key] for key in ("file", "model", "max_logit_error")}
    record = ExportRecord.parse(plain | {"agreement": 1.0}, where="")
    assert record.attempts == () and record.drop is None and record.remedy is None
