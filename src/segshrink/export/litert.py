"""Keras to a LiteRT flatbuffer (`.tflite`) in float32."""

import keras

from segshrink.errors import ExportError, first_line
from segshrink.quiet import quiet

INPUT_NAME = "image"


def litert_float32(model: keras.Model) -> bytes:
    """Convert `model` to a `.tflite` file for one image at a time.

    The input is float32 `(1, height, width, bands)`, 0-255, of the model's fixed size;
    the output is float32 logits `(1, height, width, classes)`. Batch
    normalization is folded into the convolutions by the converter.

    Only LiteRT's own operations are allowed: a file that needs TensorFlow's kernels
    would be converted without a warning and then open nowhere else.

    Raises:
        ExportError: if an operation of the model does not exist in LiteRT.
    """
    with quiet():
        import tensorflow as tf

        # The converter finds the values of the variables through a module of
        # TensorFlow, which a Keras model is not.
        serving = tf.Module()
        serving.variables_of_model = [variable.value for variable in model.variables]
        serve = tf.function(
            lambda image: model(image, training=False), autograph=False
        ).get_concrete_function(
            tf.TensorSpec((1, *model.inputs[0].shape[1:]), tf.float32, name=INPUT_NAME)
        )
        converter = tf.lite.TFLiteConverter.from_concrete_functions([serve], serving)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            return converter.convert()
        except Exception as error:
            raise ExportError(
                f"model {model.name}: LiteRT cannot express it. "
                f"{first_line(error)} Use layers that LiteRT has, or format='onnx'."
            ) from error
