"""Channels of a teacher's feature maps that a pruned student still has."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from segshrink.distillation.feature_maps import FeatureMaps

# Layers that keep the order of channels, or merge equal ones.
_CHANNELS_STAY = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.Identity,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.Resizing,
    keras.layers.Subtract,
    keras.layers.Minimum,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
    keras.layers.Rescaling,
    keras.layers.DepthwiseConv2D,
    keras.layers.Add,
    keras.layers.Multiply,
    keras.layers.Average,
    keras.layers.Maximum,
)


def kept_channels_of(
    maps: FeatureMaps,
    name: str,
    student_shape: tuple[int, int, int],
    kept: Mapping[str, Sequence[int]],
) -> tuple[int, ...] | None:
    """Channels of a teacher's map that the student has; None if they are unknown.

    Raises:
        ValueError: if they are not as many as the student's.
    """
    channels = _trace_channels(maps, name, kept)
    if channels is not None and len(channels) != student_shape[2]:
        raise ValueError(
            f"{name}: {len(channels)} channels were kept, but the student has "
            f"{student_shape[2]}. Give the plan that this student was pruned with."
        )
    return channels


def _trace_channels(
    maps: FeatureMaps, name: str, kept: Mapping[str, Sequence[int]]
) -> tuple[int, ...] | None:
    """Channels of a map that pruning kept, from those of the layers before it."""
    node, channels = maps.nodes[name], maps.shapes[name][2]
    operation = node.operation
    if name in kept:
        if max(kept[name], default=-1) >= channels:
            raise ValueError(
                f"{name}: has {channels} channels, but channel {max(kept[name])} was "
                "kept. Give the plan that was made for this teacher."
            )
        return tuple(kept[name])
    if isinstance(operation, keras.layers.InputLayer):
        return tuple(range(channels))
    sources = maps.inputs_of(name)
    incoming = [_trace_channels(maps, source, kept) for source in sources]
    if None in incoming or len(incoming) != len(node.input_tensors):
        return None
    if isinstance(operation, keras.layers.Concatenate) and operation.axis in (-1, 3):
        begins = np.cumsum([0, *(maps.shapes[source][2] for source in sources)])
        return tuple(
            int(begin) + channel
            for begin, some in zip(begins, incoming, strict=False)
            for channel in some or ()
        )
    same = all(maps.shapes[source][2] == channels for source in sources)
    if isinstance(operation, _CHANNELS_STAY) and same and len(set(incoming)) == 1:
        return incoming[0]
    return None
