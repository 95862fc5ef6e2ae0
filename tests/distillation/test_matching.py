"""match_layers(): pairs of maps by role, by name and in words."""

import keras
import pytest
from keras import layers

from distillation.matched_models import (
    SIDE_PX,
    build,
    sequential,
    shape_of,
    triples,
    unet,
    valley,
)
from pruning import segmentation_networks
from segshrink.distillation import LayerMatches, LayerPair, match_layers
from segshrink.errors import ModelError


@pytest.fixture(scope="module")
def teacher():
    """A U-Net of four levels; only read."""
    return unet()


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
    # In the order of the graph, whatever the order of the roles.
    assert [pair.role for pair in chosen] == [
        "bottleneck", "decoder 1/8", "decoder 1/4", "decoder 1/2", "decoder 1/1",
    ]  # fmt: skip
    assert [pair.role for pair in matches.select("encoder 1/4")] == ["encoder 1/4"]
    assert matches.select("logits", "encoder", "decoder", "bottleneck") == matches
    with pytest.raises(ValueError, match="'enc', there are"):
        matches.select("enc")
    with pytest.raises(ValueError, match="'middle', there are: encoder 1/1, .*, logit"):
        matches.select("bottleneck", "middle")
