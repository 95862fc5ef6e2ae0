"""Copies of validation and test images among unlabelled ones."""

import io

import numpy as np
import pytest
from PIL import Image

from segshrink.data import open_dataset, open_patch_dataset
from segshrink.data.known_pictures import find_known_pictures, refuse_known_pictures
from segshrink.errors import DatasetError
from segshrink.progress import SilentProgress

from .pictures import cut_off, save, scenes_folder, stripes
from .test_patch_training import split_file

SILENT = SilentProgress()


def picture(seed: int, height: int = 240, width: int = 360) -> Image.Image:
    """Blobs of colour with some detail, as photographs have."""
    generator = np.random.default_rng(seed)
    image = np.zeros((height, width, 3))
    for cells, strength in ((4, 60), (12, 40), (30, 25)):
        drawn = generator.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        grown = Image.fromarray(drawn).resize((width, height), Image.Resampling.BICUBIC)
        image += (np.asarray(grown) - 127.5) * strength / 127.5
    return Image.fromarray(np.clip(image + 127.5, 0, 255).astype(np.uint8))


@pytest.fixture
def data(tmp_path):
    """A data set of 12 different pictures, whose validation and test are known."""
    root = scenes_folder(tmp_path / "data", names="abcdef")
    for seed, path in enumerate(sorted(root.glob("*/images/*.jpg"))):
        picture(seed).save(path, quality=95)
        save(path.parent.parent / "masks" / f"{path.stem}.png", _mask())
    return root


def _mask():
    from .pictures import THREE_CLASSES

    return THREE_CLASSES.colorize(stripes(240, 360))


@pytest.fixture
def folder(tmp_path):
    for seed in range(100, 110):
        save_image(tmp_path / "more" / f"{seed}.jpg", picture(seed))
    return tmp_path / "more"


def save_image(path, image, **options):
    path.parent.mkdir(exist_ok=True)
    image.save(path, **options)


def found(data, folder):
    return find_known_pictures(open_dataset(data, unlabelled=[folder]), SILENT)


def measured_on(data):
    dataset = open_dataset(data)
    return [image.image_path for part in (dataset.val, dataset.test) for image in part]


def test_other_pictures_are_no_copies(data, folder):
    assert found(data, folder) == []
    refuse_known_pictures(open_dataset(data, unlabelled=[folder]), SILENT)
    refuse_known_pictures(open_dataset(data), SILENT)


@pytest.mark.parametrize("size", [(360, 240), (180, 120), (90, 60), (800, 533)])
@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_a_copy_is_found_whatever_its_size_and_format(data, folder, size, kind):
    for number, path in enumerate(measured_on(data)):
        copy = Image.open(path).resize(size)
        save_image(folder / f"copy{number}.{kind}", copy, quality=40)
    assert len(found(data, folder)) == len(measured_on(data))


def test_the_message_names_both_and_what_to_do(data, folder):
    originals = measured_on(data)
    for number, path in enumerate(originals):
        save_image(folder / f"copy{number}.jpg", Image.open(path))
    with pytest.raises(DatasetError) as caught:
        refuse_known_pictures(open_dataset(data, unlabelled=[folder]), SILENT)
    first = open_dataset(data).val[0]
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        f"{len(originals)} unlabelled images show a picture that models are measured "
        "on:"
    )
    assert lines[1] == f"  {folder / 'copy0.jpg'} is {first.name} of the val part"
    assert lines[-2] == f"  and {len(originals) - 3} more"
    assert lines[-1].startswith("Move them out of the unlabelled folders.")


def test_copies_of_training_images_may_be_there(data, folder):
    for number, image in enumerate(open_dataset(data).train):
        save_image(folder / f"copy{number}.jpg", Image.open(image.image_path))
    assert found(data, folder) == []


def test_smooth_and_flat_pictures_are_not_taken_for_each_other(data, folder):
    generator = np.random.default_rng(0)
    slope = np.linspace(90, 160, 360)[None, :, None] * np.ones((240, 1, 3))

    def water(base):
        noisy = base + generator.normal(0, 3, (240, 360, 3))
        return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))

    for path in measured_on(data)[::2]:
        water(slope).save(path)
    for path in measured_on(data)[1::2]:
        water(np.full_like(slope, 120)).save(path)
    for number in range(10):
        save_image(folder / f"slope{number}.jpg", water(slope))
        save_image(folder / f"flat{number}.jpg", water(np.full_like(slope, 120)))
    assert found(data, folder) == []


def test_images_of_other_shapes_are_not_decoded(data, folder, monkeypatch):
    for path in folder.iterdir():
        Image.open(path).resize((120, 120)).save(path)
    dataset = open_dataset(data, unlabelled=[folder])
    monkeypatch.delattr("PIL.Image.Image.resize")
    assert find_known_pictures(dataset, SILENT) == []


def test_a_broken_image_is_passed_over(data, folder):
    cut_off(folder / "100.jpg")
    save_image(folder / "copy.jpg", Image.open(measured_on(data)[0]))
    assert [each.unlabelled for each in found(data, folder)] == [
        str(folder / "copy.jpg")
    ]


def test_generated_scenes_are_not_compared(monkeypatch):
    dataset = open_dataset(
        "synthetic", scenes=3, scene_px=64, unlabelled=["synthetic:2"]
    )
    monkeypatch.delattr("segshrink.data.generated.GeneratedImage.read")
    assert find_known_pictures(dataset, SILENT) == []


def test_a_file_of_a_generated_scene_is_found(tmp_path):
    test = open_dataset("synthetic", scenes=3, scene_px=128).test[0]
    buffer = io.BytesIO()
    Image.fromarray(test.read()[0]).resize((64, 64)).save(buffer, "JPEG", quality=50)
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    dataset = open_dataset("synthetic", scenes=3, scene_px=128, unlabelled=[tmp_path])
    (known,) = find_known_pictures(dataset, SILENT)
    assert (known.known, known.part) == (test.name, "test")


def test_of_patches_neither_the_patch_nor_its_whole_image_may_be_there(data, folder):
    cells = [["a", "one", 0, 0], ["a", "two", 0, 1]]
    trained = [["b", "one", row, column] for row in (0, 1) for column in (0, 1, 2)]
    split = split_file(data, train=trained, val=cells, patch_size_px=120)
    whole = Image.open(data / "a" / "images" / "one.jpg")
    save_image(folder / "whole.png", whole.resize((180, 120)))
    save_image(folder / "patch.png", whole.crop((0, 0, 120, 120)))
    save_image(folder / "apart.png", Image.open(data / "c" / "images" / "one.jpg"))
    dataset = open_patch_dataset(data, split, unlabelled=[folder])
    assert [
        (each.unlabelled.rpartition("/")[2], each.known, each.part)
        for each in find_known_pictures(dataset, SILENT)
    ] == [
        ("patch.png", "a/one row 0 column 0", "test"),
        ("whole.png", str(data / "a" / "images" / "one.jpg"), "test"),
    ]


def test_a_georeferenced_copy_is_found(data, folder, monkeypatch):
    write_scene = pytest.importorskip("prediction.geotiffs").write_scene
    monkeypatch.setattr("segshrink.data.unlabelled._WINDOW_PX", 100)
    original = Image.open(measured_on(data)[0])
    write_scene(folder / "scene.tif", np.array(original.resize((720, 480))))
    write_scene(folder / "other.tif", np.array(picture(200, 480, 720)))
    (known,) = found(data, folder)
    assert known.unlabelled == str(folder / "scene.tif")
