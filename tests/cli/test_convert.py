"""What `segshrink convert` says of the data set that it wrote."""

import csv
import io
import json

from e2e.command_line import succeeded
from e2e.scenes import NAMES, SPLIT, write_scenes


def test_figures_are_the_classes_and_the_images_of_each_part(tmp_path):
    write_scenes(tmp_path / "scenes")
    out = tmp_path / "plain"
    command = ("convert", tmp_path / "scenes", "--out", out)
    found = json.loads(succeeded(*command, "--json", "-", "--csv", tmp_path / "t.csv"))
    assert found["out"] == str(out)
    assert found["classes"] == list(NAMES)
    assert {x: y["scenes"] for x, y in found["parts"].items()} == SPLIT
    assert (out / "dataset.yaml").is_file()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert [row["part"] for row in rows] == list(SPLIT)
    assert sum(int(row["images"]) for row in rows) == len(list(out.rglob("images/*")))
