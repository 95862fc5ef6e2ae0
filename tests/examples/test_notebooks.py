"""The notebooks of examples/ are valid, keep no outputs, and run from top to bottom."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"
# What each leaves where it runs.
LEFT = {
    "compress_your_folder.ipynb": [
        "photos/dataset.yaml",
        "runs/first/artifacts/student-int8.tflite",
        "runs/first/report/index.html",
    ],
    "distil_from_onnx.ipynb": [
        "teacher.onnx",
        "runs/distilled/artifacts/student-int8.tflite",
        "runs/distilled/report/index.html",
    ],
    "shrink_your_keras_model.ipynb": [
        "model.keras",
        "smaller.keras",
        "pruned-int8.tflite",
    ],
}


def opened(name: str) -> nbformat.NotebookNode:
    return nbformat.read(EXAMPLES / name, as_version=4)


def test_every_notebook_is_named():
    assert {path.name for path in EXAMPLES.glob("*.ipynb")} == set(LEFT)


@pytest.mark.parametrize("name", LEFT)
def test_it_is_valid_and_holds_no_outputs(name):
    notebook = opened(name)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in code if cell.outputs or cell.execution_count] == []


@pytest.mark.e2e
@pytest.mark.parametrize("name", LEFT)
def test_it_runs_from_top_to_bottom(name, tmp_path):
    notebook = opened(name)
    folder = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources=folder
    ).execute()
    missing = [path for path in LEFT[name] if not (tmp_path / path).is_file()]
    assert missing == []
