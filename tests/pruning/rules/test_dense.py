"""Rules of dense layers and attention."""

import keras
import pytest
from keras import layers

from ..networks import with_random_weights
from .tracing import assert_exact, groups_of


def attention_model():
    """Self-attention on a map, laid out as a sequence, with a residual and norms."""
    image = keras.Input((4, 4, 3))
    x = layers.Reshape((16, 12))(layers.Conv2D(12, 3, padding="same", name="a")(image))
    y = layers.LayerNormalization()(x)
    y = layers.MultiHeadAttention(num_heads=4, key_dim=3, name="attention")(y, y)
    x = layers.Add()([x, y])
    y = layers.EinsumDense("abc,cd->abd", output_shape=(None, 8), name="wide")(x)
    x = layers.Reshape((4, 4, 8))(layers.RMSNormalization()(y))
    return with_random_weights(keras.Model(image, layers.Conv2D(2, 1, name="o")(x)))


def test_heads_and_channels_of_attention_leave_apart():
    model = attention_model()
    assert groups_of(model) == {
        ("a", "attention"): 12,
        ("attention heads",): 4,
        ("wide",): 8,
    }
    smaller = assert_exact(model)
    assert smaller.get_layer("attention").get_config()["num_heads"] == 2
    assert smaller.get_layer("attention").query_dense.kernel.shape == (6, 2, 3)


def test_channels_of_an_embedding_leave():
    image = keras.Input((8, 8, 3))
    indices = keras.ops.cast(keras.ops.clip(image * 3, 0, 9), "int32")
    x = layers.Embedding(10, 8, name="table")(indices)
    model = with_random_weights(keras.Model(image, layers.Dense(2, name="o")(x)))
    assert groups_of(model) == {("table",): 8}
    assert assert_exact(model).get_layer("table").output_dim == 4


@pytest.mark.parametrize("named", [True, False])
def test_attention_with_a_mask_and_scores_loses_heads(named):
    image = keras.Input((6, 6, 3))
    x = layers.Dense(8, name="a")(layers.Reshape((36, 3))(image))
    mask = keras.ops.matmul(image[:, :, :, 0], image[:, :, :, 1]) > 0.0
    mask = keras.ops.tile(mask, (1, 6, 6))
    attend = layers.MultiHeadAttention(num_heads=4, key_dim=3, name="attention")
    masks = {"attention_mask": mask}
    y, scores = attend(x, x, return_attention_scores=True, **masks)
    if named:
        y, scores = attend(query=x, value=x, return_attention_scores=True, **masks)
    scores = layers.Dense(2, name="s")(layers.Permute((2, 3, 1))(scores))
    y = layers.Dense(2, name="o")(y) + scores[:, :, 0]
    model = with_random_weights(keras.Model(image, y))
    assert groups_of(model)[("attention heads",)] == 4
    assert assert_exact(model).get_layer("attention").get_config()["num_heads"] == 2
