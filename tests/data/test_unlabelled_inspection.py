"""The report on images without labels."""

import numpy as np
import pytest
from PIL import Image

from segshrink.data import inspect_unlabelled, open_dataset
from segshrink.errors import DatasetError

from .pictures import add_pair, cut_off, noise, save, scenes_folder


def test_sizes_damage_and_copies_are_reported(tmp_path):
    for seed, name in enumerate("abc"):
        add_pair(tmp_path / "data" / name, "one")
        picture = noise(20, 30, seed)
        save(tmp_path / "data" / name / "images" / "one.jpg", picture)
    scenes_folder(tmp_path / "data", names=())
    more = tmp_path / "more"
    save(more / "a.png", noise(20, 30, seed=7))
    save(more / "b.png", noise(40, 10, seed=8))
    cut_off(save(more / "c.png", noise(20, 40, seed=9)))
    (more / "d.png").write_bytes(b"nothing")
    report = inspect_unlabelled(tmp_path / "data", [more])
    assert report.images == 3
    assert report.sizes == ((20, 30), (20, 40), (40, 10))
    assert [message.partition(":")[0] for message in report.broken] == [
        str(more / "d.png"),
        str(more / "c.png"),
    ]
    assert report.known == ()
    test = open_dataset(tmp_path / "data").test[0]
    Image.open(test.image_path).save(more / "e.png")
    (known,) = inspect_unlabelled(tmp_path / "data", [more]).known
    assert (known.unlabelled, known.known) == (str(more / "e.png"), test.name)


def test_a_data_set_with_faults_is_refused(tmp_path):
    save(tmp_path / "more" / "a.png", np.zeros((9, 9, 3), np.uint8))
    with pytest.raises(DatasetError):
        inspect_unlabelled(tmp_path / "none", [tmp_path / "more"])
