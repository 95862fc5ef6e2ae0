"""Files that users name: whatever is in them, reading ends soon, in data or a fault."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.reading import (
    MOST_YAML_BYTES,
    ReadingFault,
    holds_truth,
    irregular,
    parse_json,
    parse_yaml,
    read_json_or_yaml,
    read_small,
    read_yaml,
)

BOMB = "a0: &a0 [x, x]\n" + "\n".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)
)

NOT_YAML = {
    "deep lists": ("[" * 990, "nested deeper than 40"),
    "deep mappings": ("{a: " * 990, "nested deeper than 40"),
    "aliases of aliases": (BOMB, "aliases repeat more than 10,000 nodes"),
    "alias of itself": ("a: &a [1, *a]", "an alias repeats what it is in"),
    "key twice": ("a: 1\nb: {c: 1, c: 2}", "Line 2, column 11: the key 'c' is given"),
    "tag int": ("a: !!int x", "does not fit its tag"),
    "tag timestamp": ("a: !!timestamp x", "does not fit its tag"),
    "tag bool": ("a: !!bool x", "does not fit its tag"),
    "tag of Python": ("a: !!python/name:os.system x", "not YAML"),
    "impossible date": ("a: 2020-99-99", "not YAML"),
    "half of a character": ('a: "\\ud800"', "half of a character"),
    "long number": ("a: 0x" + "f" * 5000, "a number of over 400 digits"),
    "merged number": ("<<: 5", "not YAML"),
    "two documents": ("a: 1\n---\nb: 2", "not YAML"),
}


@pytest.mark.parametrize("case", NOT_YAML)
def test_what_is_no_yaml_is_told(case):
    text, expected = NOT_YAML[case]
    with pytest.raises(ReadingFault, match="not YAML") as caught:
        parse_yaml(text)
    assert expected in str(caught.value)


def test_a_few_aliases_are_taken():
    text = "a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]"
    assert parse_yaml(text) == {
        "a": {"x": 1},
        "b": {"x": 1, "y": 2},
        "c": [{"x": 1}, {"x": 1}],
    }
    # A merged key may be given again: this is what merging is for.
    assert parse_yaml("a: &a {x: 1}\nb: {<<: *a, x: 2}")["b"] == {"x": 2}


@given(st.text(alphabet="ab:-*&![]{}'\"# \n0<>|?,", max_size=40))
def test_any_text_is_data_or_a_fault(text):
    try:
        parse_yaml(text)
    except ReadingFault:
        pass


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": 1, "a": 2}', "'a' is given twice"),
        (b'{"a": "\\ud800"}', "half of a character"),
        (b"{", "Expecting"),
        (b"9" * 5000, "not JSON"),
    ],
)
def test_what_is_no_json_is_told(content, expected):
    with pytest.raises(ReadingFault, match=expected):
        parse_json(content)


def test_a_pair_of_surrogates_is_a_character():
    assert parse_json(json.dumps("\U0001f600").encode()) == "\U0001f600"


def test_size_is_checked_before_parsing(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_text("classes:\n" + "- {name: a, index: 1}\n" * 300_000)
    with pytest.raises(ReadingFault, match="larger than 1 MiB"):
        read_yaml(path)
    assert len(read_small(path, 10 * MOST_YAML_BYTES)) == path.stat().st_size


def test_only_regular_files_are_read(tmp_path):
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    link = tmp_path / "link.json"
    link.symlink_to("/dev/zero")
    cases = {
        Path("/dev/zero"): "a device",
        Path("/dev/full"): "a device",
        link: "a device",
        pipe: "a pipe",
        tmp_path: "a folder",
    }
    if Path("/proc/self/status").exists():
        cases[Path("/proc/self/status")] = "a file of the kernel"
    for path, kind in cases.items():
        assert irregular(path) == kind
        with pytest.raises(ReadingFault, match=f"{kind}, where a regular file must be"):
            read_json_or_yaml(path)
    assert irregular(__file__) is None


def test_a_pipe_of_the_shell_is_read():
    reads, writes = os.pipe()
    os.write(writes, b"a: 1")
    os.close(writes)
    try:
        assert read_yaml(f"/dev/fd/{reads}") == {"a": 1}
    finally:
        os.close(reads)


def test_truth_in_lists():
    assert holds_truth(True) and holds_truth([1, [False]])
    assert not holds_truth([1, 0, "yes", {"a": True}])
