"""match_layers(): which maps are compared, and which channels a pruned student has."""

import json
import warnings
from functools import cache

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from keras import layers, ops

from pruning import segmentation_networks
from pruning.networks import random_network, small_unet, with_random_weights
from segshrink.compression.student import kept_channels
from segshrink.distillation import LayerMatches, LayerPair, match_layers
from segshrink.distillation.matching import feature_model, has_layers_of
from segshrink.errors import ModelError
from segshrink.models import build_model
from segshrink.pruning import plan_pruning
from segshrink.records.plan import PlannedLayerRecord, PlanRecord

SIDE_PX = 64


def build(name, *, shape=(SIDE_PX, SIDE_PX, 3), **options):
    return build_model(name, num_classes=4, input_shape=shape, **options)


def unet(base_filters=8, levels=4, **options):
    return build("unet", base_filters=base_filters, levels=levels, **options)


@pytest.fixture(scope="module")
def teacher():
    """A U-Net of four levels; only looked at."""
    return unet()


def triples(matches):
    return [(pair.role, pair.teacher, pair.student) for pair in matches]


def shape_of(model, name):
    return tuple(model.get_layer(name).output.shape[1:])


def sequential(name="chain"):
    return keras.Sequential(
        [
            keras.Input((SIDE_PX, SIDE_PX, 3)),
            layers.Rescaling(1 / 255, name="rescaled"),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="fine"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(8, 3, padding="same", name="coarse"),
            layers.UpSampling2D(name="up"),
            layers.Conv2D(4, 3, padding="same", name="last"),
            layers.Conv2D(4, 1, name="logits"),
        ],
        name=name,
    )


# -- Roles ------------------------------------------------------------------------

STUDENTS = {
    "compact": ("compact", {"width": 8}, (2, 4, 8), (8, 4, 2)),
    # Its stem passes a half, its decoder ends at a quarter.
    "compact_coarse": ("compact", {"width": 24, "stem_stride": 4}, (2, 4, 8), (8, 4)),
    "compact_fine": (
        "compact",
        {"width": 24, "stem_stride": 4, "logits_stride": 2},
        (2, 4, 8),
        (8, 4, 2),
    ),
    "unet_thin": (
        "unet",
        {"base_filters": 4, "norm": None},
        (1, 2, 4, 8),
        (8, 4, 2, 1),
    ),
    "unet_shallow": ("unet", {"base_filters": 4, "levels": 2}, (1, 2), (2, 1)),
    "unet_deep": ("unet", {"base_filters": 4, "levels": 5}, (1, 2, 4, 8), (8, 4, 2, 1)),
}


@pytest.mark.parametrize("case", STUDENTS)
def test_students_of_a_unet(case, teacher):
    name, options, down, up = STUDENTS[case]
    student = build(name, **options)
    matches = match_layers(teacher, student)
    assert [pair.role for pair in matches] == [
        *(f"encoder 1/{step}" for step in down),
        "bottleneck",
        *(f"decoder 1/{step}" for step in up),
        "logits",
    ]
    level = {1: 1, 2: 2, 4: 3, 8: 4}
    assert [pair.teacher for pair in matches] == [
        *(f"encoder_{level[step]}_conv_2_relu" for step in down),
        "bottleneck_conv_2_relu",
        *(f"decoder_{level[step]}_conv_2_relu" for step in up),
        "logits",
    ]
    for pair in matches:
        assert pair.teacher_shape == shape_of(teacher, pair.teacher)
        assert pair.student_shape == shape_of(student, pair.student)
        assert pair.kept is None
        part, _, place = pair.role.partition(" 1/")
        if place:
            rows = SIDE_PX // int(place)
            assert pair.teacher_shape[0] == pair.student_shape[0] == rows
            assert pair.student.startswith((part, "stem"))
    coarsest = matches.select("bottleneck")[0].student_shape
    assert coarsest[0] == min(
        layer.output.shape[1] for layer in student.layers if layer.weights
    )
    assert matches[-1].direct and matches[-1].comparison == "direct"


def test_maps_are_in_the_order_of_the_students_graph(teacher):
    student = build("compact", width=8)
    order = [layer.name for layer in student.layers]
    places = [order.index(pair.student) for pair in match_layers(teacher, student)]
    assert places == sorted(places)


def test_other_widths_do_not_change_the_pairs(teacher):
    assert triples(match_layers(teacher, build("compact", width=8))) == triples(
        match_layers(teacher, build("compact", width=16))
    )


def test_sequential_models(teacher):
    expected = [
        ("encoder 1/1", "encoder_1_conv_2_relu", "fine"),
        ("bottleneck", "bottleneck_conv_2_relu", "coarse"),
        ("decoder 1/1", "decoder_1_conv_2_relu", "last"),
        ("logits", "logits", "logits"),
    ]
    assert triples(match_layers(teacher, sequential())) == expected
    turned = [(role, student, teacher) for role, teacher, student in expected]
    assert triples(match_layers(sequential(), teacher)) == turned


def test_a_sequential_model_may_be_built_layer_by_layer(teacher):
    whole, grown = sequential(), keras.Sequential(name="grown")
    grown.add(keras.Input((SIDE_PX, SIDE_PX, 3)))
    for layer in whole.layers:
        grown.add(type(layer).from_config(layer.get_config()))
    assert triples(match_layers(teacher, grown)) == triples(
        match_layers(teacher, whole)
    )


def test_images_need_not_be_square():
    shape = (32, 96, 3)
    teacher = build("unet", shape=shape, base_filters=4, levels=2)
    student = build("compact", shape=shape, width=8)
    matches = match_layers(teacher, student)
    # At a quarter is the teacher's bottleneck.
    assert [pair.role for pair in matches] == [
        "encoder 1/2", "bottleneck", "decoder 1/2", "logits",
    ]  # fmt: skip
    assert matches[0].teacher_shape == (16, 48, 8)
    assert matches[1].comparison == "1x1 projection, resize"


def squeeze_and_excite(reshaped):
    images = keras.Input((SIDE_PX, SIDE_PX, 3))
    x = layers.Conv2D(8, 3, 2, padding="same", activation="relu", name="half")(images)
    x = layers.Conv2D(16, 3, 2, padding="same", activation="relu", name="body")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=not reshaped, name="mean")(x)
    if reshaped:
        gate = layers.Dense(16, activation="sigmoid", name="gate")(gate)
        gate = layers.Reshape((1, 1, 16), name="reshaped")(gate)
    else:
        gate = layers.Conv2D(16, 1, activation="sigmoid", name="gate")(gate)
    x = layers.Multiply(name="excited")([x, gate])
    x = layers.UpSampling2D(4, name="up")(x)
    x = layers.Conv2D(8, 3, padding="same", name="last")(x)
    return keras.Model(images, layers.Conv2D(4, 1, name="logits")(x))


@pytest.mark.parametrize("reshaped", [False, True])
def test_squeeze_and_excite_is_no_stage(reshaped, teacher):
    assert triples(match_layers(teacher, squeeze_and_excite(reshaped))) == [
        ("encoder 1/2", "encoder_2_conv_2_relu", "half"),
        ("bottleneck", "bottleneck_conv_2_relu", "excited"),
        ("decoder 1/1", "decoder_1_conv_2_relu", "last"),
        ("logits", "logits", "logits"),
    ]


@pytest.mark.parametrize("name", ["deeplab", "lr_aspp", "fast_scnn", "unet_plus_plus"])
def test_no_pooled_vector_is_compared(name, teacher):
    """Branches of global pooling, gates and pyramids."""
    student = getattr(segmentation_networks, name)()
    for one, other in ((teacher, student), (student, teacher)):
        matches = match_layers(one, other)
        assert {"bottleneck", "logits"} <= {pair.role for pair in matches}
        assert any(pair.role.startswith("encoder") for pair in matches)
        for pair in matches:
            assert pair.teacher_shape[:2] != (1, 1) != pair.student_shape[:2]
            assert pair.teacher_shape == shape_of(one, pair.teacher)
            assert pair.student_shape == shape_of(other, pair.student)


def test_neither_images_nor_resized_or_activated_logits_are_stages():
    images = keras.Input((32, 32, 3))
    x = layers.AveragePooling2D(2, name="small")(layers.Rescaling(2.0)(images))
    x = layers.Conv2D(8, 3, padding="same", name="only")(x)
    x = layers.Conv2D(4, 1, name="scores")(x)
    x = layers.Softmax(name="probabilities")(x)
    x = layers.UpSampling2D(interpolation="bilinear", name="enlarged")(x)
    model = keras.Model(images, x)
    assert triples(match_layers(model, model)) == [
        ("bottleneck", "only", "only"),
        ("logits", "enlarged", "enlarged"),
    ]
    bare = keras.Model(images, layers.ReLU(name="nothing")(images))
    assert triples(match_layers(bare, bare)) == [("logits", "nothing", "nothing")]


def valley(bottom):
    """An encoder, something at its bottom, and a decoder without skips."""
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="before")(images)
    x = bottom(layers.MaxPooling2D(name="pool")(x))
    x = layers.Conv2D(8, 3, padding="same", name="bottom")(x)
    x = layers.Conv2D(8, 3, padding="same", name="after")(layers.UpSampling2D()(x))
    return with_random_weights(keras.Model(images, layers.Conv2D(3, 1)(x)))


def called_twice(x):
    conv = layers.Conv2D(8, 3, padding="same", name="shared")
    return conv(conv(x))


def as_tokens(x):
    y = layers.Reshape((64, 8))(x)
    y = layers.Dense(8)(layers.LayerNormalization()(y))
    return layers.Reshape((8, 8, 8))(y)


def model_of_two_outputs(x):
    inner = keras.Input((8, 8, 8))
    body = layers.Conv2D(8, 1)(inner)
    one, other = keras.Model(inner, [body, layers.ReLU()(body)], name="two")(x)
    return layers.Add()([one, other])


@pytest.mark.parametrize("bottom", [called_twice, as_tokens, model_of_two_outputs])
def test_the_encoder_is_found_through_what_is_no_single_map(bottom):
    """Layers called twice, sequences of tokens, models with several outputs."""
    model = valley(bottom)
    assert [pair.student for pair in match_layers(model, model)][:-1] == [
        "before",
        "bottom",
        "after",
    ]


# -- Feature models ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["deeplab", "segformer", "nested"])
def test_a_feature_model_gives_logits_and_maps(name):
    model = getattr(segmentation_networks, name)()
    matches = match_layers(model, model)
    images = np.random.default_rng(0).normal(size=(1, SIDE_PX, SIDE_PX, 3))
    logits, *maps = feature_model(model, [pair.student for pair in matches])(
        images.astype("float32")
    )
    np.testing.assert_allclose(logits, model(images), rtol=1e-5, atol=1e-5)
    for pair, features in zip(matches, maps, strict=True):
        assert tuple(features.shape[1:]) == pair.student_shape
        assert np.ptp(ops.convert_to_numpy(features)) > 0
    np.testing.assert_array_equal(maps[-1], logits)


@pytest.mark.parametrize("size", [8, None])
def test_a_nested_models_map_is_that_of_its_call(size):
    """Whatever the size that the nested model was built for."""
    inner = keras.Input((size, size, 8))
    body = layers.Conv2D(8, 3, padding="same", activation="relu")(inner)
    block = keras.Model(inner, body, name="block")
    model = valley(block)
    assert triples(match_layers(model, model))[0][1:] == ("before", "before")
    (pair,) = match_layers(model, model, pairs={"block": "block"}).select("chosen")
    assert pair.teacher_shape == pair.student_shape == (8, 8, 8)
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    pooled, found = (
        feature_model(model, [name])(images)[1] for name in ("pool", "block")
    )
    np.testing.assert_allclose(found, block(pooled), rtol=1e-5, atol=1e-5)


def grown_sequential():
    """As by `add`, which calls all layers anew each time."""
    model = keras.Sequential()
    for layer in (
        keras.Input((8, 8, 3)),
        layers.Conv2D(4, 3, padding="same", name="conv"),
        layers.Dropout(0.5, name="dropout"),
        layers.Conv2D(3, 1, name="logits"),
    ):
        model.add(layer)
    return model


REBUILT = {
    "cloned": keras.models.clone_model,
    "grown": lambda model: model,
    # As by loading a file or applying a plan.
    "from_config": lambda model: keras.Sequential.from_config(model.get_config()),
}


@pytest.mark.parametrize("how", REBUILT)
def test_features_and_logits_are_of_the_same_pass(how):
    model = REBUILT[how](grown_sequential())
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    logits, dropped = feature_model(model, ["dropout"])(images, training=True)
    again = model.get_layer("logits")(dropped)
    np.testing.assert_allclose(logits, again, rtol=1e-5, atol=1e-6)


def test_a_feature_model_takes_images_without_a_warning():
    model = sequential()
    features = feature_model(model, ["coarse"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features(np.zeros((1, SIDE_PX, SIDE_PX, 3), "float32"))


# -- Models that cannot be matched -------------------------------------------------


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.logits = layers.Conv2D(4, 1)

    def call(self, images):
        return self.logits(images)


def open_size():
    images = keras.Input((None, None, 3))
    return keras.Model(images, layers.Conv2D(4, 1)(images), name="open")


def two_outputs():
    images = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 1)(images)
    return keras.Model(images, [x, layers.ReLU()(x)], name="two")


def output_called_twice():
    images = keras.Input((32, 32, 3))
    conv = layers.Conv2D(3, 1, name="twice")
    return keras.Model(images, conv(conv(images)), name="repeated")


UNFIT = {
    "subclassed": (Subclassed, r"got Subclassed.*by its logits alone"),
    "open": (open_size, r"needs a fixed image size.*\(None, None, None, 4\)"),
    "two": (two_outputs, r"one map as output, got outputs of .*32.*32"),
    "repeated": (output_called_twice, r"called more than once.*by its logits alone"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_models_that_show_no_maps_are_refused(name):
    make, message = UNFIT[name]
    model, other = make(), sequential()
    for pair in ((other, model), (model, other)):
        with pytest.raises(ModelError, match=f"^{name}: .*{message}"):
            match_layers(*pair)
        assert not has_layers_of(*pair)


def test_a_model_that_is_not_built_is_refused():
    model = keras.Sequential([layers.Conv2D(4, 1)], name="unbuilt")
    with pytest.raises(ModelError, match="^unbuilt: "):
        match_layers(sequential(), model)


def test_knows_a_student_of_the_teachers_layers():
    teacher = unet(levels=2)
    plan = plan_pruning(teacher, keep=0.5, multiple_of=1)
    assert has_layers_of(plan.apply(teacher), teacher)
    assert not has_layers_of(unet(levels=3), teacher)
    assert not has_layers_of(build("compact"), teacher)


# -- Partners that are named -------------------------------------------------------


def test_pairs_name_other_partners():
    teacher, student = unet(levels=2), build("compact", width=8)
    named = {
        "encoder_1_block_1_pointwise_relu6": "encoder_1_conv_2_relu",
        "encoder_4_block_3_add": "bottleneck_conv_1_relu",
    }
    matches = match_layers(teacher, student, pairs=named)
    chosen = matches.select("chosen")
    assert {pair.student: pair.teacher for pair in chosen} == named
    # What is named is not paired by its role as well.
    assert len({pair.student for pair in matches}) == len(matches)
    # Among the others in the order of the graph, and the logits last.
    order = [layer.name for layer in student.layers]
    places = [order.index(pair.student) for pair in matches]
    assert places == sorted(places)
    assert matches[-1].role == "logits"
    first = chosen[0]
    assert first.teacher_shape == (64, 64, 8) and first.student_shape == (32, 32, 8)
    assert first.comparison == "resize" and not first.direct


def test_none_leaves_a_stage_out(teacher):
    student = unet(base_filters=4)
    left_out = ("encoder_2_conv_2_relu", "bottleneck_conv_2_relu")
    matches = match_layers(teacher, student, pairs=dict.fromkeys(left_out))
    everything = triples(match_layers(teacher, student))
    assert triples(matches) == [x for x in everything if x[2] not in left_out]


def test_unknown_names_list_the_known_ones():
    model = sequential()
    for named, model_name in (({"upp": "coarse"}, "ours"), ({"up": "deep"}, "theirs")):
        wrong = "upp" if model_name == "ours" else "deep"
        with pytest.raises(ModelError) as caught:
            match_layers(sequential("theirs"), sequential("ours"), pairs=named)
        text = str(caught.value)
        assert text.startswith(f"{model_name}: ") and repr(wrong) in text
        assert all(layer.name in text for layer in model.layers)


def test_a_layer_that_gives_no_map_cannot_be_named(teacher):
    student = squeeze_and_excite(reshaped=True)
    with pytest.raises(ModelError, match="has no feature map 'gate'"):
        match_layers(teacher, student, pairs={"gate": "bottleneck_conv_2"})


# -- Table and selection -----------------------------------------------------------


def test_the_table(teacher):
    named = {"fine": "decoder_1_conv_2_relu"}
    matches = match_layers(teacher, sequential(), pairs=named)
    assert str(matches).splitlines() == [
        "role         teacher                          student           compared",
        "chosen       decoder_1_conv_2_relu   64x64x8  fine     64x64x4"
        "  1x1 projection",
        "bottleneck   bottleneck_conv_2_relu  4x4x128  coarse   32x32x8"
        "  1x1 projection, resize",
        "decoder 1/1  decoder_1_conv_2_relu   64x64x8  last     64x64x4"
        "  1x1 projection",
        "logits       logits                  64x64x4  logits   64x64x4  direct",
    ]


PAIR = {"role": "bottleneck", "teacher": "t", "student": "s"}


@pytest.mark.parametrize(
    ("shapes", "kept", "comparison"),
    [
        (((4, 4, 8), (4, 4, 8)), None, "direct"),
        (((4, 4, 8), (4, 4, 2)), None, "1x1 projection"),
        (((4, 4, 8), (2, 2, 8)), None, "resize"),
        (((4, 4, 8), (4, 2, 2)), None, "1x1 projection, resize"),
        (((4, 4, 8), (4, 4, 2)), (1, 5), "kept channels"),
        (((4, 4, 2), (4, 4, 2)), (0, 1), "direct"),
    ],
)
def test_a_comparison_in_words(shapes, kept, comparison):
    pair = LayerPair(
        **PAIR, teacher_shape=shapes[0], student_shape=shapes[1], kept=kept
    )
    assert pair.comparison == comparison
    assert pair.direct == (comparison in ("direct", "kept channels"))


def test_select_by_role(teacher):
    matches = match_layers(teacher, unet(base_filters=4))
    chosen = matches.select("decoder", "bottleneck")
    assert isinstance(chosen, LayerMatches)
    # In the order of the graph, whatever the order asked for.
    assert [pair.role for pair in chosen] == [
        "bottleneck", "decoder 1/8", "decoder 1/4", "decoder 1/2", "decoder 1/1",
    ]  # fmt: skip
    assert [pair.role for pair in matches.select("encoder 1/4")] == ["encoder 1/4"]
    assert matches.select("logits", "encoder", "decoder", "bottleneck") == matches
    with pytest.raises(ValueError, match="'enc', there are"):
        matches.select("enc")
    with pytest.raises(ValueError, match="'middle', there are: encoder 1/1, .*, logit"):
        matches.select("bottleneck", "middle")


# -- Pruned students ---------------------------------------------------------------


def maps_of(model):
    """Names of all feature maps that are no vectors."""
    names = []
    for layer in model.layers:
        shape = tuple(layer.output.shape)
        if len(shape) == 4 and shape[1:3] != (1, 1):
            names.append(layer.name)
    return names


def kept_of(plan):
    return {layer.name: layer.kept for layer in plan.layers}


def features_of(model, names, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.uniform(0, 255, (2, *model.input_shape[1:])).astype("float32")
    _, *maps = feature_model(model, names)(images, training=False)
    return dict(zip(names, map(ops.convert_to_numpy, maps), strict=True))


def assert_kept_channels_agree(matches, whole, small):
    """`whole` has the teacher's shapes, and removed channels reach no reader."""
    theirs = features_of(whole, list({pair.teacher for pair in matches}))
    ours = features_of(small, list({pair.student for pair in matches}))
    for pair in matches:
        if pair.kept is None:
            continue
        expected = theirs[pair.teacher][..., list(pair.kept)]
        scale = np.abs(expected).max() or 1.0
        difference = np.abs(ours[pair.student] - expected).max()
        assert difference < 1e-4 * scale, pair


PRUNED = {
    "unet": lambda: unet(levels=2),
    "unet_without_norm": lambda: unet(levels=3, norm=None, activation="leaky_relu"),
    # Additions, depthwise convolutions, bilinear doubling.
    "compact": lambda: build("compact", width=16),
    # Addition, pooling, concatenation.
    "small_unet": small_unet,
    # Nested concatenations.
    "unet_plus_plus": segmentation_networks.unet_plus_plus,
    # Average pooling, gates of 1x1 maps.
    "lr_aspp": segmentation_networks.lr_aspp,
    "deeplab": segmentation_networks.deeplab,
    "fast_scnn": segmentation_networks.fast_scnn,
}


@cache
def pruned(name, keep=0.5):
    """(teacher of random weights, plan that takes channels at random, student)."""
    teacher = with_random_weights(PRUNED[name](), seed=3)
    keras.utils.set_random_seed(4)
    plan = plan_pruning(teacher, keep=keep, criterion="random", multiple_of=1)
    return teacher, plan, plan.apply(teacher)


@pytest.mark.parametrize("name", PRUNED)
def test_kept_channels_are_those_that_the_student_computes(name):
    teacher, plan, student = pruned(name)
    names = maps_of(student)
    matches = match_layers(
        teacher, student, pairs={x: x for x in names}, kept=kept_of(plan)
    )
    assert {pair.student for pair in matches} == set(names)
    assert_kept_channels_agree(matches, plan.zero(teacher), student)
    # The channels really differ, so that this says something.
    assert any(pair.kept != tuple(range(len(pair.kept or ()))) for pair in matches)


@pytest.mark.parametrize("name", PRUNED)
def test_stages_of_a_pruned_student_need_no_projection(name):
    teacher, plan, student = pruned(name)
    matches = match_layers(teacher, student, kept=kept_of(plan))
    # By name: all roles that the teacher has.
    assert [pair.student for pair in matches] == [pair.teacher for pair in matches]
    assert triples(matches) == triples(match_layers(teacher, teacher))
    assert [pair.role for pair in matches if not pair.direct] == []
    words = {pair.comparison for pair in matches}
    assert words == {"kept channels", "direct"}
    assert matches[-1].comparison == "direct"
    without = match_layers(teacher, student)
    assert triples(without) == triples(matches)
    assert "1x1 projection" in {pair.comparison for pair in without}


def every_other(channels, first):
    return tuple(range(first, channels, 2))


def test_channels_are_followed_through_depthwise_pooling_and_padding():
    """By hand: what leaves is the odd channels of one, the even ones of the other."""
    images = keras.Input((8, 8, 3))
    one = layers.Conv2D(6, 1, name="one")(images)
    one = layers.BatchNormalization(name="normal")(one)
    one = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(one)
    other = layers.Conv2D(4, 1, name="other")(images)
    other = layers.AveragePooling2D(2, name="pooled")(
        layers.PReLU(name="slopes")(other)
    )
    other = layers.UpSampling2D(name="enlarged")(other)
    other = layers.Cropping2D(1, name="cut")(layers.ZeroPadding2D(1)(other))
    joined = layers.Concatenate(name="joined")([other, images, one])
    x = layers.Multiply(name="squared")([joined, joined])
    teacher = keras.Model(images, layers.Conv2D(2, 1, name="logits")(x))
    kept = {"one": every_other(6, 0), "other": every_other(4, 1), "logits": (0, 1)}

    small = keras.Input((8, 8, 3))
    one = layers.Conv2D(3, 1, name="one")(small)
    one = layers.BatchNormalization(name="normal")(one)
    one = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(one)
    other = layers.Conv2D(2, 1, name="other")(small)
    other = layers.AveragePooling2D(2, name="pooled")(
        layers.PReLU(name="slopes")(other)
    )
    other = layers.UpSampling2D(name="enlarged")(other)
    other = layers.Cropping2D(1, name="cut")(layers.ZeroPadding2D(1)(other))
    joined = layers.Concatenate(name="joined")([other, small, one])
    x = layers.Multiply(name="squared")([joined, joined])
    student = keras.Model(small, layers.Conv2D(2, 1, name="logits")(x))

    names = ("depthwise", "cut", "joined", "squared")
    matches = match_layers(teacher, student, pairs={x: x for x in names}, kept=kept)
    found = {pair.student: pair.kept for pair in matches}
    assert found["depthwise"] == (0, 2, 4)
    assert found["cut"] == (1, 3)
    # Two of the other, the three of the image, three of the one.
    assert found["joined"] == found["squared"] == (1, 3, 4, 5, 6, 7, 9, 11)
    assert found["logits"] == (0, 1)


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(st.data())
def test_kept_channels_of_random_networks(data):
    teacher = random_network(data.draw)
    assume(len(teacher.output_shape) == 4)
    try:
        plan = plan_pruning(teacher, keep=0.5, criterion="random", multiple_of=1)
    except ModelError:
        return  # no channel of it may leave
    student = plan.apply(teacher)
    operations = feature_model(student, []).operations
    names = {
        x.name
        for x in operations
        if len(x._inbound_nodes) == 1
        and not isinstance(x.output, list)
        and len(x.output.shape) == 4
    }
    matches = match_layers(
        teacher, student, pairs={x: x for x in names}, kept=kept_of(plan)
    )
    assert_kept_channels_agree(matches, plan.zero(teacher), student)


# -- A model pruned more than once -------------------------------------------------


def with_inner(whole, plan, inner):
    """`whole` with the weights of `inner` where the plan keeps them.

    `inner` has the shapes of what the plan leaves of `whole`, so that the sum of both
    removes channels in two goes.
    """
    result = plan.zero(whole)
    cuts = {cut.layer: cut.weights for cut in plan.cuts}
    for layer in result.layers:
        values = layer.get_weights()
        for position, new in enumerate(inner.get_layer(layer.name).get_weights()):
            cut = cuts.get(layer.name, {}).get(position)
            kept = cut.kept if cut else {}
            place = np.ix_(
                *(
                    np.flatnonzero(kept[axis]) if axis in kept else np.arange(size)
                    for axis, size in enumerate(values[position].shape)
                )
            )
            values[position][place] = new
        layer.set_weights(values)
    return result


@pytest.mark.parametrize("name", ["unet", "compact", "small_unet"])
def test_channels_kept_by_two_plans_one_after_the_other(name):
    teacher, first, between = pruned(name, keep=0.7)
    keras.utils.set_random_seed(5)
    second = plan_pruning(between, keep=0.5, criterion="random", multiple_of=1)
    student = second.apply(between)
    records = [
        PlanRecord.parse(json.loads(json.dumps(x.as_record().as_plain())), where="")
        for x in (first, second)
    ]
    kept = kept_channels(records)
    whole = with_inner(teacher, first, second.zero(between))
    names = maps_of(student)
    matches = match_layers(teacher, student, pairs={x: x for x in names}, kept=kept)
    assert_kept_channels_agree(matches, whole, student)
    assert all(pair.direct for pair in match_layers(teacher, student, kept=kept))
    with pytest.raises(ValueError, match="channels were kept, but the student has"):
        match_layers(teacher, student, kept=kept_channels(records[:1]))


def record(**kept):
    """Of a plan: name = (channels before, kept)."""
    return PlanRecord(
        parameters_before=0,
        parameters_after=0,
        layers=tuple(
            PlannedLayerRecord(
                name=name,
                channels_before=before,
                channels_after=len(indices),
                kept=tuple(indices),
            )
            for name, (before, indices) in kept.items()
        ),
    )


def test_kept_channels_compose():
    first = record(a=(6, (1, 2, 4, 5)), b=(3, (0, 1, 2)))
    second = record(a=(4, (0, 3)), b=(3, (2,)), c=(2, (1,)))
    third = record(a=(2, (1,)))
    assert kept_channels([]) == {}
    assert kept_channels([first]) == {"a": [1, 2, 4, 5], "b": [0, 1, 2]}
    assert kept_channels([first, second]) == {"a": [1, 5], "b": [2], "c": [1]}
    assert kept_channels([first, second, third])["a"] == [5]


def test_kept_channels_of_three_plans_are_those_of_numpy_indexing():
    generator = np.random.default_rng(0)
    left, plans = np.arange(40), []
    for count in (25, 11, 4):
        kept = np.sort(generator.choice(len(left), count, replace=False))
        plans.append(record(conv=(len(left), kept.tolist())))
        left = left[kept]
    assert kept_channels(plans) == {"conv": left.tolist()}


# -- Wrong plans -------------------------------------------------------------------


def test_a_plan_that_kept_other_numbers_is_refused():
    teacher, plan, student = pruned("unet")
    other = plan_pruning(teacher, keep=0.25, multiple_of=1)
    with pytest.raises(
        ValueError, match=r"2 channels were kept, but the student has 4\. Give the plan"
    ):
        match_layers(teacher, student, kept=kept_of(other))
    with pytest.raises(ValueError, match="Give the plan"):
        match_layers(teacher, teacher, kept=kept_of(plan))
    with pytest.raises(ValueError, match="Give the plan"):
        match_layers(teacher, build("compact"), kept=kept_of(plan))


def test_a_plan_of_a_wider_model_is_refused():
    """It keeps as many channels, but some that this teacher does not have."""
    teacher, _, student = pruned("unet")
    wider = plan_pruning(
        unet(base_filters=16, levels=2), keep=0.25, criterion="random", multiple_of=1
    )
    with pytest.raises(ValueError):
        match_layers(teacher, student, kept=kept_of(wider))


def test_a_plan_of_other_layers_is_refused():
    teacher, _, student = pruned("unet")
    with pytest.raises(ValueError):
        match_layers(teacher, student, kept={"nowhere": (0, 1)})
