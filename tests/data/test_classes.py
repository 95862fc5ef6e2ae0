import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segshrink.data import IGNORE_INDEX, UNLABELLED, Classes
from segshrink.data.classes import UNDECLARED, pack_color, show_code, unpack_color

channel = st.integers(0, 255)
colors = st.lists(
    st.tuples(channel, channel, channel), min_size=2, max_size=254, unique=True
)


def named(palette, **others):
    names = tuple(f"class {number}" for number in range(len(palette)))
    return Classes(names=names, colors=tuple(palette), **others)


@given(palette=colors, data=st.data())
def test_colored_labels_are_read_back_as_they_were(palette, data):
    classes = named(palette)
    labels = data.draw(
        arrays.arrays(
            np.uint8, (5, 7), elements=st.integers(0, classes.num_classes - 1)
        )
    )
    picture = classes.colorize(labels)
    codes = np.apply_along_axis(pack_color, 2, picture.astype(int)).astype(np.uint32)
    np.testing.assert_array_equal(classes.lookup(codes), labels)


@given(palette=colors, code=st.integers(0, 0xFFFFFF))
def test_a_code_is_undeclared_unless_it_is_a_color_of_a_class(palette, code):
    classes = named(palette[1:], void_colors=(palette[0],))
    found = classes.lookup(np.array([code], np.uint32))[0]
    if unpack_color(code) == palette[0]:
        assert found == IGNORE_INDEX
    elif unpack_color(code) in palette:
        assert palette[1 + found] == unpack_color(code)
    else:
        assert found == UNDECLARED


def test_indices_are_looked_up_in_any_order():
    classes = named([(1, 1, 1), (2, 2, 2)], indices=(7, 3), void_indices=(0, 300))
    codes = np.array([[3, 7], [0, 300], [1, 70000]], np.uint32)
    expected = [[1, 0], [255, 255], [UNDECLARED, UNDECLARED]]
    np.testing.assert_array_equal(classes.lookup(codes), expected)


def test_void_is_drawn_black():
    classes = named([(9, 8, 7), (6, 5, 4)])
    picture = classes.colorize(np.array([[1, 255]]))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, [[[6, 5, 4], [0, 0, 0]]])


def test_codes_are_shown_as_people_write_them():
    assert show_code(pack_color((60, 16, 152)), by_index=False) == "#3C1098"
    assert show_code(11, by_index=True) == "11"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(names=(), colors=()), "1 to 254 classes, got 0"),
        (dict(names=("a",), colors=()), "1 classes need 1 colours, got 0"),
        (
            dict(names=("a",), colors=((0, 0, 0),), indices=(1, 2)),
            "1 classes need 1 indices, got 2",
        ),
        (
            dict(names=("a", "a"), colors=((0, 0, 0), (1, 1, 1))),
            "the name 'a' is given twice",
        ),
        (
            dict(names=("a", "b"), colors=((1, 2, 3), (1, 2, 3))),
            "the colour #010203 is given twice among classes and void",
        ),
        (
            dict(names=("a",), colors=((1, 2, 3),), void_colors=((1, 2, 3),)),
            "the colour #010203 is given twice among classes and void",
        ),
        (
            dict(names=("a",), colors=((1, 2, 3),), indices=(4,), void_indices=(4,)),
            "the index 4 is given twice among classes and void",
        ),
        (
            dict(names=("a",), colors=((1, 2, 3),), void_indices=(4,)),
            "void_indices have no effect on colour masks",
        ),
        (
            dict(
                names=("a",),
                colors=((1, 2, 3),),
                indices=(0,),
                void_colors=((1, 1, 1),),
            ),
            "void_colors have no effect on index masks",
        ),
    ],
)
def test_contradicting_classes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Classes(**arguments)


def test_index_classes_may_share_a_display_color():
    classes = named([(1, 1, 1), (1, 1, 1)], indices=(0, 1))
    assert classes.codes == (0, 1)


def test_the_labels_of_void_and_of_unlabelled_pixels_are_no_class():
    most = {
        "names": tuple(map(str, range(254))),
        "colors": tuple((i, 0, 0) for i in range(254)),
    }
    assert UNLABELLED not in range(Classes(**most).num_classes)
    more = {"names": (*most["names"], "x"), "colors": (*most["colors"], (0, 1, 0))}
    with pytest.raises(ValueError, match="there must be 1 to 254 classes, got 255"):
        Classes(**more)
