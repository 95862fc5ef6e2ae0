"""The real aerial set; skipped where it is absent."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segshrink.data import (
    TileSampler,
    TileSettings,
    inspect_dataset,
    open_dataset,
    open_patch_dataset,
)
from segshrink.data.known_pictures import find_known_pictures
from segshrink.errors import DatasetError
from segshrink.progress import SilentProgress
from segshrink.recipe import Augmentation

REPOSITORY = Path(__file__).resolve().parents[2]
AERIAL = Path(
    os.environ.get("SEGSHRINK_AERIAL", REPOSITORY.parent / "shared" / "aerial")
)
FOLDER = AERIAL / "Semantic segmentation dataset"
HELD_OUT = AERIAL / "splits" / "held_out_tiles.json"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the aerial set is not here: set SEGSHRINK_AERIAL"
)

# Per cent of all pixels, counted independently of this code.
PUBLISHED_SHARES = {
    "Building": 13.3,
    "Land": 52.4,
    "Road": 9.4,
    "Vegetation": 10.3,
    "Water": 13.6,
    "Unlabeled": 0.5,
}
PUBLISHED_VOID = 0.56


@pytest.fixture(scope="module")
def dataset():
    return open_dataset(FOLDER, split=HELD_OUT)


def test_shares_are_the_published_ones():
    report = inspect_dataset(FOLDER)
    assert report.faults == []
    found = dict(zip(report.classes.names, report.class_shares, strict=True))
    for name, share in PUBLISHED_SHARES.items():
        assert 100 * found[name] == pytest.approx(share, abs=0.1)
    assert 100 * report.void_share == pytest.approx(PUBLISHED_VOID, abs=0.1)
    assert len(report.scenes) == 8
    assert {scene.images for scene in report.scenes} == {9}


def test_the_held_out_split_is_followed(dataset):
    declared = json.loads(HELD_OUT.read_text())
    record = dataset.split.as_record()
    assert record["source"] == "file held_out_tiles.json"
    for part in ("train", "val", "test"):
        assert record[part] == declared[part]
        assert list(getattr(dataset, part).scenes) == declared[part]
    assert len(dataset.train) == 36
    assert dataset.notices == ()


def test_names_are_unique_across_tiles(dataset):
    images = [*dataset.train, *dataset.val, *dataset.test]
    assert len({image.name for image in images}) == 72


def test_rgb_and_palette_masks_are_read(dataset):
    for part in (dataset.val, dataset.test):  # Tile 3 is RGB, Tile 4 palette
        for scene in part.scenes:
            first = next(image for image in part if image.scene == scene)
            image, labels = first.read()
            assert image.shape == (first.height_px, first.width_px, 3)
            assert set(np.unique(labels)) <= {*range(6), 255}


def test_the_patch_split_is_refused():
    with pytest.raises(DatasetError, match="lists patches, but a split lists scenes"):
        open_dataset(FOLDER, split=AERIAL / "splits" / "random_patch.json")


def test_the_patch_split_is_trained_on_as_its_protocol_does():
    dataset = open_patch_dataset(FOLDER, AERIAL / "splits" / "random_patch.json")
    assert len(dataset.train) + len(dataset.val) == 1044
    assert len(dataset.test) == 261
    assert dataset.split.leaks
    # Black counts as the first class there, and a channel reaches from 0 to 255.
    pixels = np.zeros(6, np.int64)
    for patch in dataset.test:
        image, labels = patch.read()
        assert image.shape == (256, 256, 3)
        assert {0, 255} == {*image.min(axis=(0, 1)), *image.max(axis=(0, 1))}
        pixels += np.bincount(labels.ravel(), minlength=6)
    assert pixels.sum() == 261 * 256 * 256


def test_tiles_are_drawn_within_the_limit_of_memory(dataset):
    limit = 8 << 20
    settings = TileSettings(
        tile_px=256, batch_size=8, augmentation=Augmentation(), cache_bytes=limit
    )
    sampler = TileSampler(dataset.val, settings, seed=0)
    for step in range(sampler.steps_per_epoch):
        images, _ = sampler.batch(0, step)
        assert images.shape == (8, 256, 256, 3)
        assert sampler._cache.held_bytes <= limit


def test_copies_of_held_out_images_are_found_and_no_other(tmp_path):
    dataset = open_dataset(FOLDER, split=HELD_OUT)
    parts = {part: getattr(dataset, part) for part in ("train", "val", "test")}
    expected = set()
    for part, images in parts.items():
        for number, image in enumerate(images):
            copy = tmp_path / f"{part}{number}.jpg"
            with Image.open(image.image_path) as original:
                original.draft("RGB", (original.width // 4, original.height // 4))
                original.resize((image.width_px // 4, image.height_px // 4)).save(
                    copy, quality=25
                )
            if part != "train":
                expected.add((str(copy), image.name, part))
    with_copies = open_dataset(FOLDER, split=HELD_OUT, unlabelled=[tmp_path])
    found = find_known_pictures(with_copies, SilentProgress())
    assert {(each.unlabelled, each.known, each.part) for each in found} == expected
