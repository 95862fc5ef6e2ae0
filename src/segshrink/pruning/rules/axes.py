"""The channel axis of a call."""

from segshrink.pruning.layer_call import LayerCall


def channel_axis(call: LayerCall) -> int:
    """The channel axis of the layer's first input, by the layer's data format."""
    first = getattr(call.layer, "data_format", None) == "channels_first"
    return 1 if first else len(call.input_shapes[0]) - 1
