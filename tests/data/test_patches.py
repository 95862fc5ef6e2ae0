"""Reading a split of patches, and cutting them."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data import PatchDataset, open_patches
from segshrink.data.patches import Patch, PatchSplit
from segshrink.errors import DatasetError

from .pictures import DESCRIPTION, add_pair, encoded_part, scenes_folder, stripes

COLUMNS = ["tile", "image", "row", "column"]
SPLIT = {
    "name": "random-patch",
    "about": "why",
    "patch_size_px": 10,
    "columns": COLUMNS,
    "train": [["a", "one", 0, 0], ["b", "two", 1, 2], ["a", "one", 1, 1]],
    "val": [["c", "two", 1, 2], ["a", "one", 0, 1], ["c", "two", 0, 0]],
}


def written(tmp_path, **changes):
    """The file, with keys replaced; None removes one."""
    path = tmp_path / "patches.json"
    content = {key: x for key, x in (SPLIT | changes).items() if x is not None}
    path.write_text(json.dumps(content))
    return path


def fault(tmp_path, folder="synthetic", **changes):
    with pytest.raises(DatasetError) as raised:
        open_patches(folder, written(tmp_path, **changes))
    return str(raised.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of 20 x 30, which are 2 x 3 patches of 10."""
    return scenes_folder(tmp_path_factory.mktemp("patches"))


def test_patches_are_cut_where_the_file_says(folder, tmp_path):
    patches = open_patches(folder, written(tmp_path))
    known = {image.name: image for image in patches.images}
    # Image after image, each in the order of the file.
    expected = [("c/two", 10, 20), ("c/two", 0, 0), ("a/one", 0, 10)]
    found = list(patches.iter_val())
    assert len(found) == len(expected)
    for (image, labels), (name, top, left) in zip(found, expected, strict=True):
        whole_image, whole_labels = known[name].read()
        np.testing.assert_array_equal(
            image, whole_image[top : top + 10, left : left + 10]
        )
        np.testing.assert_array_equal(
            labels, whole_labels[top : top + 10, left : left + 10]
        )


def test_it_needs_no_third_scene_and_no_split(tmp_path):
    folder = scenes_folder(tmp_path / "data", names=["a"])
    split = written(tmp_path, train=[["a", "one", 0, 0]], val=[["a", "two", 0, 0]])
    patches = open_patches(folder, split)
    assert patches.name == "data"
    assert len(patches.images) == 2
    assert patches.split_record().as_plain() == {
        "source": "file patches.json",
        "patch_px": 10,
        "train_patches": 1,
        "val_patches": 1,
    }


def test_generated_scenes_have_patches_too(tmp_path):
    split = written(
        tmp_path, patch_size_px=256, train=[], val=[["scene-001", "view", 1, 1]]
    )
    [(image, labels)] = open_patches("synthetic", split).iter_val()
    assert image.shape == (256, 256, 3)
    assert labels.shape == (256, 256)


@pytest.mark.parametrize(("void_as", "label"), [(None, 0), ("blue", 2)])
def test_void_counts_as_the_first_class_or_the_named_one(
    folder, tmp_path, void_as, label
):
    patches = open_patches(folder, written(tmp_path, void_as=void_as))
    assert patches.void_label == label


@given(
    st.sets(
        st.tuples(
            st.sampled_from("ab"),
            st.sampled_from("xy"),
            st.integers(0, 4),
            st.integers(0, 4),
        ),
        min_size=1,
    ),
    st.randoms(),
)
def test_neighbours_are_those_that_share_an_edge(cells, random):
    cells = sorted(cells)
    random.shuffle(cells)
    val, train = cells[: len(cells) // 2 + 1], cells[len(cells) // 2 + 1 :]
    split = PatchSplit(patch_size_px=1, columns=COLUMNS, train=train, val=val)
    expected = 0
    for tile, image, row, column in val:
        distances = [
            abs(row - other[2]) + abs(column - other[3])
            for other in train
            if other[:2] == (tile, image)
        ]
        expected += 1 in distances
    assert split.neighbours_in_training == expected


def test_each_image_is_decoded_once():
    part = encoded_part([(20, 30), (20, 20)])
    reads = []

    def counted(image):
        class Counted(type(image)):
            def read(self):
                reads.append(self.name)
                return super().read()

        fields = {name: getattr(image, name) for name in image.__dataclass_fields__}
        return Counted(**fields | {"name": f"t/{image.name}"})

    images = type(part)("all", [counted(image) for image in part], part.classes)
    val = [
        Patch("t", "held-0", 0, 0), Patch("t", "held-1", 1, 1),
        Patch("t", "held-0", 1, 2),
    ]  # fmt: skip
    split = PatchSplit(patch_size_px=10, columns=COLUMNS, train=[], val=val)
    assert len(list(PatchDataset("x", images, split, "here").iter_val())) == 3
    assert reads == ["t/held-0", "t/held-1"]


def test_missing_images_are_named(folder, tmp_path):
    message = fault(
        tmp_path, folder, train=[["a", "three", 0, 0]], val=[["z", "one", 0, 0]]
    )
    assert "patches.json: no image is called a/three, z/one. Use the names" in message
    assert "a/one, a/two, b/one" in message


def test_patches_beyond_their_image_are_listed(folder, tmp_path):
    val = [["a", "one", 2, 0], ["a", "one", 1, 2], ["b", "one", 0, 3]]
    assert fault(tmp_path, folder, val=val).splitlines() == [
        "patches.json: 2 patches reach beyond the image (height x width). Count rows "
        "and columns of whole patches from 0.",
        "  a/one row 2 column 0: it needs 30 x 10 px, the image has 20 x 30",
        "  b/one row 0 column 3: it needs 10 x 40 px, the image has 20 x 30",
    ]
    many = [["a", "one", row, 0] for row in range(2, 20)]
    assert fault(tmp_path, folder, val=many).endswith("\n  and 6 more.")


def test_void_as_no_class_is_told(folder, tmp_path):
    assert fault(tmp_path, folder, void_as="pink") == (
        "patches.json: void_as is 'pink', which is not a class. There are red, green, "
        "blue."
    )


def test_the_folder_itself_may_have_faults(tmp_path):
    folder = scenes_folder(tmp_path / "data", names=["a"], description=DESCRIPTION)
    add_pair(folder / "a", "three", labels=stripes(20, 30))
    (folder / "a" / "images" / "three.jpg").unlink()
    assert "a mask without its image" in fault(tmp_path, folder)


def test_a_split_of_scenes_is_told_apart(tmp_path):
    path = tmp_path / "scenes.yaml"
    path.write_text("train: [a]\nval: [b]\ntest: [c]\n")
    with pytest.raises(DatasetError, match="lists no patches, which this protocol"):
        open_patches("synthetic", path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"columns": COLUMNS[::-1]}, "columns must be tile, image, row, column"),
        ({"columns": None}, "columns: Field required"),
        ({"val": []}, "val needs at least one patch"),
        ({"val": None}, "val: Field required"),
        ({"val": [["a", "one", -1, 0]]}, "val.0.2: Input should be greater than"),
        ({"val": [["a", "one", 0]]}, "val.0.3: Field required"),
        ({"val": [["a", "one", 0, "1"]]}, "val.0.3: Input should be a valid integer"),
        ({"val": ["a/one"]}, "val.0: Input should be a tuple, list"),
        ({"val": [["a", "one", 0, 0]]}, "patches named twice: a/one row 0 column 0"),
        ({"patch_size_px": 0}, "patch_size_px: Input should be greater than"),
        ({"patch_size_px": None}, "patch_size_px: Field required"),
        ({"test": []}, "test: Extra inputs are not permitted"),
        (
            {"val": [], "columns": ["x"]},
            "columns must be tile, image, row, column; val needs at least one patch",
        ),
    ],
)
def test_faults_of_the_file_are_told(tmp_path, changes, expected):
    message = fault(tmp_path, **changes)
    assert message.startswith(f"{tmp_path / 'patches.json'}: 1 fault.\n  ")
    assert expected in message


def test_of_many_faults_the_first_are_listed(tmp_path):
    val = [["a", "one", -1, 0]] * 50
    lines = fault(tmp_path, val=val).splitlines()
    assert lines[0].endswith(": 50 faults.")
    assert lines[-1] == "  and 30 more."
    assert len(lines) == 22


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DatasetError, match=r"none\.json: no such file"):
        open_patches("synthetic", tmp_path / "none.json")
