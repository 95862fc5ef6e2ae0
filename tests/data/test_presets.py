from segshrink.data.classes import pack_color
from segshrink.data.presets import AERIAL, CAMVID

BUILDING, LAND, BLACK = 0x3C1098, 0x8429F6, 0x000000


def test_the_aerial_colors_are_those_of_the_masks():
    assert AERIAL.classes.codes[:2] == (BUILDING, LAND)
    assert AERIAL.classes.void_codes == (BLACK,)


def test_a_folder_with_some_of_the_colors_fits():
    assert AERIAL.fits({BUILDING: 10, LAND: 10, BLACK: 1})


def test_a_few_stray_pixels_do_not_hide_the_data_set():
    assert AERIAL.fits({BUILDING: 500, LAND: 490, 0xFF00FF: 10})


def test_a_folder_of_mostly_other_colors_does_not_fit():
    assert not AERIAL.fits({BUILDING: 10, LAND: 10, 0xFF00FF: 10})


def test_void_and_one_class_are_not_enough():
    assert not AERIAL.fits({BLACK: 10, pack_color((155, 155, 155)): 10})
    assert not AERIAL.fits({})


def test_camvid_has_eleven_classes_and_one_void():
    assert CAMVID.classes.num_classes == 11
    assert CAMVID.classes.void_indices == (11,)
