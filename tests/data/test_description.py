import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data.description import (
    distinct_color,
    read_description,
    read_split_file,
)
from segshrink.errors import DatasetError

from .pictures import BLACK, BLUE, DESCRIPTION, GREEN, RED


def described(folder, text):
    (folder / "dataset.yaml").write_text(text)
    return read_description(folder)


def faults_of(folder, text):
    with pytest.raises(DatasetError) as error:
        described(folder, text)
    return str(error.value)


def test_colors_are_lists_or_hexadecimal(tmp_path):
    classes = described(tmp_path, DESCRIPTION).to_classes()
    assert classes.names == ("red", "green", "blue")
    assert classes.colors == (RED, GREEN, BLUE)
    assert classes.void_colors == (BLACK,)
    assert classes.indices is None


def test_indices_get_a_color_if_they_have_none(tmp_path):
    text = """
        classes:
          - {name: a, index: 4}
          - {name: b, index: 2, color: "#010203"}
        void_indices: [0, 255]
    """
    classes = described(tmp_path, text).to_classes()
    assert classes.indices == (4, 2)
    assert classes.colors == (distinct_color(0), (1, 2, 3))
    assert classes.void_indices == (0, 255)


def test_without_the_file_there_is_no_description(tmp_path):
    assert read_description(tmp_path) is None


def test_all_faults_are_reported_at_once(tmp_path):
    message = faults_of(
        tmp_path,
        """
        classes:
          - {name: a, color: [300, 0, 0]}
          - {name: b, color: "red"}
          - {name: c}
          - {name: "", index: -1}
        viod_colors: []
        split: {train: [x], val: []}
        """,
    )
    assert message.startswith(f"{tmp_path / 'dataset.yaml'}: 7 faults.\n")
    for expected in (
        "classes.0.color.0: Input should be less than or equal to 255 (got 300)",
        "classes.1.color: a colour is [red, green, blue] or #RRGGBB in quotes "
        "(got 'red')",
        "classes.2: class 'c' needs a color or an index",
        "classes.3.name: String should have at least 1 character",
        "classes.3.index: Input should be greater than or equal to 0 (got -1)",
        "viod_colors: Extra inputs are not permitted",
        "split: val or test needs at least one scene",
    ):
        assert expected in message


def test_an_unquoted_color_is_explained(tmp_path):
    text = "classes:\n  - name: a\n    color: #FF0000\n"
    assert 'in YAML # begins a comment: write "#RRGGBB" in quotes' in faults_of(
        tmp_path, text
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "classes: [{name: a, index: 0}, {name: b, color: [1, 1, 1]}]",
            "classes must have an index either all or none, got 1 of 2",
        ),
        (
            "classes: [{name: a, color: [1, 1, 1]}, {name: a, color: [1, 1, 1]}]",
            "the name 'a' is given twice; the colour #010101 is given twice",
        ),
        (
            "classes: [{name: a, index: 0}]\nvoid_colors: ['#000000']",
            "void_colors have no effect on index masks: use void_indices",
        ),
        (
            "classes: [{name: a, index: 0}]\n"
            "split: {train: [x], val: [y, x], test: [z, y]}",
            "split: scenes named twice: x, y",
        ),
        ("classes: []", "there must be 1 to 254 classes, got 0"),
        (
            "classes: [{name: a, index: 0}]\nsplit: {train: [x], val: [], test: []}",
            "split: val or test needs at least one scene",
        ),
        ("[1, 2]", "must be a mapping of keys, got list"),
        ("classes: [", "not YAML"),
        ("", "must be a mapping of keys, got NoneType"),
    ],
)
def test_contradictions_are_refused(tmp_path, text, message):
    assert message in faults_of(tmp_path, text)


def test_a_wrong_ending_is_not_passed_over(tmp_path):
    (tmp_path / "dataset.yml").write_text(DESCRIPTION)
    with pytest.raises(DatasetError, match=r"dataset\.yml: rename it to dataset\.yaml"):
        read_description(tmp_path)


@given(st.lists(st.integers(0, 254), min_size=2, max_size=2, unique=True))
def test_display_colors_differ_and_are_not_black(positions):
    first, second = map(distinct_color, positions)
    assert first != second
    assert first != BLACK


SPLIT = {"train": ["a"], "val": ["b"], "test": ["c"]}


def test_a_split_is_read_from_json_and_yaml(tmp_path):
    as_json, as_yaml = tmp_path / "split.json", tmp_path / "split.yaml"
    as_json.write_text(json.dumps({"name": "mine", "about": "why", **SPLIT}))
    as_yaml.write_text("train: [a]\nval: [b]\ntest: [c]\n")
    assert read_split_file(as_json).train == read_split_file(as_yaml).train == ("a",)


@pytest.mark.parametrize(
    "content",
    [
        {"columns": ["tile", "row"], "train": [], "val": []},
        {"train": [["Tile 8", "image_part_003", 3, 5]], "val": [], "test": []},
        {"train": [{"scene": "a"}], "val": ["b"], "test": ["c"]},
    ],
)
def test_a_list_of_patches_is_refused(tmp_path, content):
    path = tmp_path / "random_patch.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError) as error:
        read_split_file(path)
    assert str(error.value) == (
        f"{path}: lists patches, but a split lists scenes by name, since patches of "
        "one scene on two sides would leak. Give train, val and test a list of scene "
        "names each. For comparison only, `data.protocol: random-patch` in a recipe "
        "trains on patches, and `segshrink evaluate --protocol random-patch` measures "
        "on them."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"val": ["a"], "test": ["b"]}', "train: Field required"),
        ('{"train": ["a"]}', "val or test needs at least one scene"),
        (json.dumps({**SPLIT, "extra": 1}), "extra: Extra inputs are not permitted"),
        (json.dumps({**SPLIT, "test": ["a"]}), "scenes named twice: a"),
        (json.dumps({**SPLIT, "train": []}), "a part needs at least one scene: train"),
        (json.dumps({**SPLIT, "test": [7]}), "Input should be a valid string (got 7)"),
        ("{", "split.json: not JSON."),
        ("[]", "split.json: must be a mapping of keys, got list."),
    ],
)
def test_a_faulty_split_is_refused(tmp_path, text, message):
    path = tmp_path / "split.json"
    path.write_text(text)
    with pytest.raises(DatasetError) as error:
        read_split_file(path)
    assert message in str(error.value)


def test_a_missing_split_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"split\.json: no such file\."):
        read_split_file(tmp_path / "split.json")
