import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segshrink.data.names import composed, pairing_stem

letters = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/")
)


@given(
    name=letters.map(lambda text: f"a{text}"), ending=st.sampled_from(["png", "JPG"])
)
def test_both_unicode_forms_of_a_name_are_a_pair(name, ending):
    image, mask = (
        Path(unicodedata.normalize(form, name) + end)
        for form, end in (("NFC", f".{ending}"), ("NFD", ".png"))
    )
    assert pairing_stem(image) == pairing_stem(mask)


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("images/a.JPG", "a"),
        ("IMG (0) [x].PNG", "IMG (0) [x]"),
        ("a1_jpg.rf.1f.jpg", "a1_jpg.rf.1f"),
        ("A.png", "A"),
        ("Ko\u0308ln e\u0301.tif", "Köln é"),
    ],
)
def test_what_counts_of_a_name(path, stem):
    assert pairing_stem(Path(path)) == stem


def test_bytes_that_are_not_utf8_are_kept():
    name = os.fsdecode(b"\xff\xfe e")
    assert composed(name) == name
