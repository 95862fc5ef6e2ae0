import keras
import numpy as np
import pytest
from keras import layers

from segshrink.errors import UsageError
from segshrink.objectives import CrossEntropy
from segshrink.progress import SilentProgress
from segshrink.pruning import plan_pruning
from segshrink.pruning.data_statistics import DataStatistics
from segshrink.pruning.graph import trace

STEP = 1e-2


def randomized(model, seed=0):
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        low, high = (0.5, 1.5) if "variance" in weight.path else (-0.5, 0.5)
        weight.assign(generator.uniform(low, high, weight.shape))
    return model


def residual_model():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5)(layers.Activation("tanh")(x))
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    y = layers.SeparableConv2D(6, 3, padding="same", name="separable")(y)
    x = layers.Add()([x, layers.BatchNormalization(scale=False, center=False)(y)])
    x = layers.Conv2DTranspose(4, 2, strides=2, activation="swish", name="up")(x)
    x = layers.AveragePooling2D(2)(x)
    return randomized(keras.Model(image, layers.Conv2D(3, 1, name="logits")(x)))


def attention_model():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 1, activation="tanh", name="embed")(image)
    x = layers.Reshape((16, 8))(x)
    y = layers.MultiHeadAttention(4, 2, name="attend")(x, x)
    x = layers.LayerNormalization()(layers.Add()([x, y]))
    x = layers.Dense(6, activation="tanh", name="mix")(x)
    x = layers.Reshape((4, 4, 6))(x)
    return randomized(keras.Model(image, layers.Conv2D(3, 1, name="logits")(x)))


def nested_model():
    inside = keras.Input((8, 8, 4))
    shared = layers.Conv2D(4, 3, padding="same", activation="tanh", name="shared")
    block = keras.Model(inside, shared(shared(inside)), name="block")
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="stem")(image)
    x = block(block(x))
    return randomized(keras.Model(image, layers.Conv2D(3, 1, name="logits")(x)))


def images_and_labels(model, count=3):
    generator = np.random.default_rng(1)
    shape = (count, *model.input_shape[1:])
    labels = generator.integers(0, 3, (count, *shape[1:3])).astype(np.uint8)
    labels[:, 0] = 255
    return generator.normal(size=shape).astype(np.float32), labels


def statistics_of(model, data):
    graph = trace(model)
    return graph, DataStatistics(
        model, graph, data, loss=None, progress=SilentProgress()
    )


def scaled_loss(model, places, factor, image, labels):
    """The loss of one image with some entries of some weights multiplied."""
    kept = [(weight, keras.ops.convert_to_numpy(weight)) for weight, *_ in places]
    for weight, axis, positions in places:
        values = np.moveaxis(keras.ops.convert_to_numpy(weight).copy(), axis, 0)
        values[positions] *= factor
        weight.assign(np.moveaxis(values, 0, axis))
    loss = float(CrossEntropy()(labels, model(image, training=False)))
    for weight, values in reversed(kept):
        weight.assign(values)
    return loss


def assert_gradient(model, data, layer, units, places_of):
    """Central differences of the loss by a factor on the weights that read a unit."""
    graph, statistics = statistics_of(model, data)
    group = next(g for g in graph.groups() if layer in g.layers)
    found = statistics.gradients(group.units)
    assert found.shape == (len(data[0]), len(group.units))
    largest = np.abs(found).max()
    assert largest > 1e-3
    for unit in range(units):
        for i, (image, labels) in enumerate(zip(*data, strict=True)):
            up, down = (
                scaled_loss(model, places_of(unit), 1 + s, image[None], labels[None])
                for s in (STEP, -STEP)
            )
            expected = (up - down) / (2 * STEP)
            assert found[i, unit] == pytest.approx(
                expected, rel=0.02, abs=largest / 100
            )


def test_gradient_of_coupled_channels_is_that_of_all_their_consumers():
    model = residual_model()
    separable, up = model.get_layer("separable"), model.get_layer("up")

    def places(unit):
        return [
            (separable.pointwise_kernel, 2, [unit]),
            (up.kernel, 3, [unit]),
        ]

    assert_gradient(model, images_and_labels(model), "stem", 6, places)


def test_gradient_behind_an_activation_and_a_pooling():
    model = residual_model()
    kernel = model.get_layer("logits").kernel
    data = images_and_labels(model)
    assert_gradient(model, data, "up", 4, lambda unit: [(kernel, 2, [unit])])


def test_gradient_of_heads():
    model = attention_model()
    kernel = model.get_layer("attend").output_dense.kernel
    data = images_and_labels(model)
    assert_gradient(model, data, "attend heads", 4, lambda unit: [(kernel, 0, [unit])])


def test_gradient_of_what_an_attention_reads():
    model = attention_model()
    attend, mix = model.get_layer("attend"), model.get_layer("mix")

    def places(unit):
        projections = (attend.query_dense, attend.key_dense, attend.value_dense)
        return [*((p.kernel, 0, [unit]) for p in projections), (mix.kernel, 0, [unit])]

    assert_gradient(model, images_and_labels(model), "embed", 8, places)


def test_gradient_in_a_shared_nested_model():
    model = nested_model()
    shared, logits = model.get_layer("block").get_layer("shared"), "logits"

    def places(unit):
        return [
            (shared.kernel, 2, [unit]),
            (model.get_layer(logits).kernel, 2, [unit]),
        ]

    assert_gradient(model, images_and_labels(model), "stem", 4, places)


def test_an_image_that_is_all_void_says_nothing():
    model = residual_model()
    images, labels = images_and_labels(model)
    labels[1] = 255
    graph, statistics = statistics_of(model, (images, labels))
    found = statistics.gradients(graph.groups()[0].units)
    assert (found[1] == 0).all() and (found[[0, 2]] != 0).all()
    alone = statistics_of(model, (images[[0, 2]], labels[[0, 2]]))[1]
    units = graph.groups()[0].units
    np.testing.assert_allclose(
        statistics.activations(units), alone.activations(units), rtol=1e-6
    )


def test_mean_activations_leave_void_out():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(5, 1, activation="relu", name="first")(image)
    model = keras.Model(image, layers.Conv2D(3, 1, name="logits")(x))
    randomized(model)
    images, labels = images_and_labels(model)
    labels[0, :, 1] = 255
    graph, statistics = statistics_of(model, (images, labels))
    first = model.get_layer("first")
    kernel, bias = (keras.ops.convert_to_numpy(w) for w in (first.kernel, first.bias))
    activations = np.maximum(images @ kernel[0, 0] + bias, 0)
    expected = np.mean(
        [
            a[label != 255].mean(axis=0)
            for a, label in zip(activations, labels, strict=True)
        ],
        axis=0,
    )
    found = statistics.activations(graph.groups()[0].units)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_batches_give_what_one_array_gives():
    model = residual_model()
    images, labels = images_and_labels(model)
    graph, whole = statistics_of(model, (images, labels))
    batches = [(images[:2], labels[:2]), (images[2:], labels[2:])]
    cut = statistics_of(model, batches)[1]
    units = graph.groups()[0].units
    assert cut.images == whole.images == 3
    np.testing.assert_array_equal(whole.gradients(units), cut.gradients(units))


def test_labels_of_images_and_a_loss_of_ones_own():
    image = keras.Input((4, 4, 3))
    x = layers.Conv2D(8, 3, activation="tanh", name="first")(image)
    x = layers.GlobalAveragePooling2D()(x)
    model = randomized(keras.Model(image, layers.Dense(3, name="logits")(x)))
    images, labels = images_and_labels(model)[0], np.array([0, 2, 255])
    plan = plan_pruning(
        model, keep=0.5, criterion="taylor", data=(images, labels), multiple_of=1
    )
    own = plan_pruning(
        model,
        keep=0.5,
        criterion="taylor",
        data=(images, keras.ops.one_hot([0, 2, 1], 3)),
        loss=keras.losses.MeanSquaredError(),
        multiple_of=1,
    )
    assert plan.settings.images == 3
    assert len(plan.groups[0].kept) == len(own.groups[0].kept) == 4


def test_the_model_is_not_changed():
    model = residual_model()
    before = [keras.ops.convert_to_numpy(weight) for weight in model.weights]
    plan_pruning(model, keep=0.5, criterion="taylor", data=images_and_labels(model))
    for weight, values in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), values)
    assert model.trainable and all(layer.trainable for layer in model.layers)


@pytest.mark.parametrize("criterion", ["taylor", "fisher", "mean_activation"])
def test_missing_data_is_reported(criterion):
    with pytest.raises(UsageError, match=r"Give plan_pruning data=\(images, labels\)"):
        plan_pruning(residual_model(), keep=0.5, criterion=criterion)


def test_data_without_effect_is_refused():
    model = residual_model()
    data = images_and_labels(model)
    with pytest.raises(
        UsageError, match="data has no effect with criterion group_norm"
    ):
        plan_pruning(model, keep=0.5, data=data)
    with pytest.raises(UsageError, match="loss has no effect with criterion mean_act"):
        plan_pruning(
            model, keep=0.5, data=data, criterion="mean_activation", loss="mse"
        )


def test_faulty_data_is_refused():
    model = residual_model()
    images, labels = images_and_labels(model)
    for data, text in (
        ((images, labels[:2]), "as many labels as images, got 2 labels for 3 images"),
        ((images, None), "looks at labels: data has none"),
        ([], "at least one image, got none"),
        ([images], "batches of these, got ndarray"),
    ):
        with pytest.raises(UsageError, match=text):
            plan_pruning(model, keep=0.5, criterion="taylor", data=data)


def test_heads_have_no_activations_to_see():
    model = attention_model()
    data = images_and_labels(model)
    with pytest.raises(UsageError, match="Activations of attend heads cannot be seen"):
        plan_pruning(model, keep=0.5, criterion="mean_activation", data=data)
    plan = plan_pruning(
        model,
        keep=0.5,
        criterion="mean_activation",
        data=(data[0], None),
        skip=["attend"],
        multiple_of=1,
    )
    assert len(plan.groups) == 1 and plan.groups[0].layers == ("mix",)
