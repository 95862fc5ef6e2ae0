"""One synthetic scene from its number: plan, paint, build, plant, photograph.

Every scene is a pure function of (seed, index, size): nothing is downloaded or stored.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from segshrink.data.classes import Classes
from segshrink.data.synthetic.arrays import BoolArray, FloatArray
from segshrink.data.synthetic.buildings import Builder, ClassIndices, draw_cars
from segshrink.data.synthetic.near_infrared import near_infrared
from segshrink.data.synthetic.objects import ObjectLayer
from segshrink.data.synthetic.plan import BlockKind, Plan
from segshrink.data.synthetic.textures import (
    Palette,
    Surface,
    paint_ground,
    smooth_noise,
)
from segshrink.data.synthetic.trees import choose_trees, plant_trees

CLASSES = Classes(
    names=("Building", "Land", "Road", "Vegetation", "Water", "Unlabeled"),
    colors=(
        (196, 78, 66),
        (226, 202, 156),
        (98, 102, 116),
        (92, 158, 78),
        (66, 128, 196),
        (164, 98, 182),
    ),
    void_colors=((0, 0, 0),),
)
_BUILDING, _LAND, _ROAD, _VEGETATION, _WATER, _UNLABELED = range(6)

_CLASS_OF_SURFACE = np.empty(len(Surface), np.uint8)
_CLASS_OF_SURFACE[[Surface.SOIL, Surface.SHORE]] = _LAND
_CLASS_OF_SURFACE[[Surface.ASPHALT, Surface.KERB, Surface.MARKING]] = _ROAD
_CLASS_OF_SURFACE[Surface.LAWN] = _VEGETATION
_CLASS_OF_SURFACE[Surface.WATER] = _WATER

_TREE_DENSITY = np.zeros(len(BlockKind), np.float32)
_TREE_DENSITY[BlockKind.RESIDENTIAL] = 0.16
_TREE_DENSITY[BlockKind.COMMERCIAL] = 0.05
_TREE_DENSITY[BlockKind.PARK] = 0.7
_TREE_DENSITY[BlockKind.BARE] = 0.02

_SHADOW_TONE = np.array([0.50, 0.54, 0.62], np.float32)
# A Gaussian of about half a pixel.
_LENS = ImageFilter.Kernel((3, 3), [1, 7, 1, 7, 50, 7, 1, 7, 1])
_HAZE_COLOR = np.array([196, 204, 214], np.float32)


def generate_scene(
    index: int, *, size_px: int, seed: int, num_bands: int = 3
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Make one scene of a city with its labels.

    Scenes of different `index` differ in layout, angle, colours, light and haze.

    Args:
        index: number of the scene, at least 0.
        size_px: height and width in pixels, at least 32.
        seed: non-negative; scenes of different seeds are unrelated.
        num_bands: 3 for RGB, 4 for a near-infrared band behind it.

    Returns:
        The image, uint8 `(size_px, size_px, num_bands)`, and the labels, uint8
        `(size_px, size_px)`, indices into `CLASSES`; no pixel is void.

    Raises:
        ValueError: if an argument is out of its range.
    """
    if index < 0 or seed < 0 or size_px < 32 or num_bands not in (3, 4):
        raise ValueError(
            "a scene needs index >= 0, seed >= 0, size_px >= 32 and 3 or 4 bands, "
            f"got index {index}, seed {seed}, size_px {size_px}, {num_bands} bands"
        )
    rng = np.random.default_rng([seed, index, size_px])
    plan, palette = Plan.draw(rng, size_px), Palette.draw(rng)
    image = paint_ground(rng, plan.surfaces, palette)
    _move_water(rng, image, plan.shore_px * (plan.surfaces == Surface.WATER))
    labels = _CLASS_OF_SURFACE[plan.surfaces]
    layer = ObjectLayer(plan.frame, light=_draw_light(rng))
    crowns = _plant(rng, plan, layer, image, palette)
    labels[crowns] = _VEGETATION
    _build(rng, plan, layer, palette)
    layer.paint(image, labels, plan.grid)
    image[layer.shadow() & (labels != _BUILDING) & ~crowns] *= _SHADOW_TONE
    photograph = _photograph(rng, image)
    if num_bands == 3:
        return photograph, labels
    # Noise of its own, so that the colours are those of the scene without it.
    own = np.random.default_rng([seed, index, size_px, num_bands])
    return np.dstack([photograph, near_infrared(own, image, labels)]), labels


def _draw_light(rng: np.random.Generator) -> FloatArray:
    azimuth = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(azimuth), np.sin(azimuth)])


def _move_water(
    rng: np.random.Generator, image: FloatArray, shore_px: FloatArray
) -> None:
    """Give water its depth and its waves, in place.

    Args:
        rng: source of the waves.
        image: float32 `(size, size, 3)`, 0-255.
        shore_px: float32 `(size, size)`, negative where water shows.
    """
    rows, columns = np.nonzero(shore_px < 0)
    azimuth, wavelength_px = rng.uniform(0, 2 * np.pi), rng.uniform(6.5, 8.5)
    bend = 1.8 * smooth_noise(rng, shore_px.shape[0], 20)[rows, columns]
    along = np.cos(azimuth) * columns + np.sin(azimuth) * rows
    waves = np.sin(along * (2 * np.pi / wavelength_px) + bend)
    depth = np.clip(-shore_px[rows, columns] / 30, 0, 1)
    tone = 1.06 - 0.14 * depth + 0.065 * waves
    image[rows, columns] *= tone.astype(np.float32)[:, None]


def _plant(
    rng: np.random.Generator,
    plan: Plan,
    layer: ObjectLayer,
    image: FloatArray,
    palette: Palette,
) -> BoolArray:
    """Plant trees in groves with glades between; bool `(size, size)` of crowns."""
    is_earth = (plan.surfaces == Surface.SOIL) | (plan.surfaces == Surface.LAWN)
    is_glade = smooth_noise(rng, plan.frame.size_px, 24) < -0.35
    density = _TREE_DENSITY[plan.kind_of_pixel] * is_earth
    trees = choose_trees(rng, np.where(is_glade, 0.15 * density, density))
    return plant_trees(rng, trees, layer, image, palette.crown)


def _build(
    rng: np.random.Generator, plan: Plan, layer: ObjectLayer, palette: Palette
) -> None:
    """Put sites, buildings and cars on the layer, in this order."""
    indices = ClassIndices(building=_BUILDING, road=_ROAD, site=_UNLABELED)
    builder = Builder(rng, layer, palette, indices)
    sites = plan.choose_sites(rng)
    for site in sites:
        builder.add_site(site)
    for block, kind in plan.blocks():
        for lot in plan.dry(builder.lots(block, kind)):
            if not any(lot.overlaps(site) for site in sites):
                builder.build(lot, kind)
    for u, v, along_u in draw_cars(rng, plan):
        builder.add_car(u, v, along_u=along_u)


def _photograph(rng: np.random.Generator, image: FloatArray) -> npt.NDArray[np.uint8]:
    """Exposure, haze, a soft lens and sensor noise; uint8 `(size, size, 3)`."""
    haze = rng.uniform(0.0, 0.16)
    exposed = image * np.float32(rng.uniform(0.88, 1.12)) * np.float32(1 - haze)
    exposed += _HAZE_COLOR * np.float32(haze)
    sharp = Image.fromarray(np.clip(exposed, 0, 255).astype(np.uint8))
    soft = np.asarray(sharp.filter(_LENS))
    noise = rng.integers(-4, 5, soft.shape, dtype=np.int16)
    return np.clip(soft + noise, 0, 255).astype(np.uint8)
