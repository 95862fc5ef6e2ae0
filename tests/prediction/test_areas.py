"""The table of areas."""

import csv

import numpy as np

from segshrink.prediction.areas import Areas, write_areas


def test_shares_and_square_metres(tmp_path):
    path = tmp_path / "deep" / "areas.csv"
    rows = [
        ("a.png", Areas(np.array([1, 3]))),
        ("b.tif", Areas(np.array([10, 0]), 0.25)),
        ("empty.tif", Areas(np.array([0, 0]), 0.25)),
    ]
    write_areas(path, ["grass", "water, deep"], rows)
    with path.open(newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))
    assert found == [
        ["image", "class", "pixels", "share", "area_m2"],
        ["a.png", "grass", "1", "0.250000", ""],
        ["a.png", "water, deep", "3", "0.750000", ""],
        ["b.tif", "grass", "10", "1.000000", "2.5000"],
        ["b.tif", "water, deep", "0", "0.000000", "0.0000"],
        ["empty.tif", "grass", "0", "0.000000", "0.0000"],
        ["empty.tif", "water, deep", "0", "0.000000", "0.0000"],
    ]
