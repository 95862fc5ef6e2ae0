"""Opens a model file and runs it once, in a process of its own that may die of it.

The process is `python -P trial_run.py FORMAT THREADS MOST_BYTES FILE`, which prints
JSON: `{}`, or `{"fault": "..."}`. It imports nothing but the runtime, so that it takes
half a second.
"""

import json
import math
import sys
from typing import Any

# A tensor of more values than this is no image.
_MOST_VALUES = 1 << 31
# As segshrink.formats has it, which is not imported.
_WINDOW_PX = 256
# Types of ONNX Runtime and what NumPy calls them.
_NUMBERS = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int8)": "int8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
}


def _run_litert(path: str, threads: int) -> None:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    with open(path, "rb") as file:
        content = file.read()
    interpreter = Interpreter(model_content=content, num_threads=threads)
    interpreter.allocate_tensors()
    for tensor in interpreter.get_input_details():
        shape = _checked(tensor["shape"].tolist())
        interpreter.set_tensor(tensor["index"], np.zeros(shape, tensor["dtype"]))
    interpreter.invoke()
    for tensor in interpreter.get_output_details():
        interpreter.get_tensor(tensor["index"])


def _run_onnx(path: str, threads: int) -> None:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    inputs = session.get_inputs()
    if any(x.type not in _NUMBERS for x in inputs):
        return  # who opens the file says what it must take
    images = {x.name: np.zeros(_checked(x.shape), _NUMBERS[x.type]) for x in inputs}
    session.run(None, images)


def _run_openvino(path: str, threads: int) -> None:
    import numpy as np
    import openvino
    from openvino import properties

    core = openvino.Core()
    options = {properties.inference_num_threads(): threads}
    compiled = core.compile_model(core.read_model(path), "CPU", options)
    images = [
        np.zeros(
            _checked([-1 if n.is_dynamic else n.get_length() for n in x.partial_shape]),
            np.float32,
        )
        for x in compiled.inputs
    ]
    compiled(images)


def _checked(shape: Any) -> list[int]:
    """Sizes of a tensor: of one image, and of a window where they are not fixed."""
    open_sizes = [1, *[_WINDOW_PX] * len(shape)]
    pairs = zip(shape, open_sizes, strict=False)
    sizes = [n if isinstance(n, int) and n >= 0 else fixed for n, fixed in pairs]
    if math.prod(sizes) > _MOST_VALUES:
        raise ValueError(f"a tensor of {' x '.join(map(str, sizes))} values")
    return sizes


_RUNS = {"litert": _run_litert, "onnx": _run_onnx, "openvino": _run_openvino}


def _bound_memory(most_bytes: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))
    except (ImportError, ValueError, OSError):
        pass  # the system has no such limit


def main(arguments: list[str]) -> None:
    """Run a file once; see the module's docstring."""
    format, threads, most_bytes, path = arguments
    _bound_memory(int(most_bytes))
    answer = {}
    try:
        _RUNS[format](path, int(threads))
    except ImportError:
        pass  # who opens the file says what is missing
    except MemoryError:
        answer["fault"] = "it needs more memory than this machine can give"
    # The runtimes' errors have no common base but Exception.
    except Exception as error:
        lines = (str(error).strip() or type(error).__name__).splitlines()
        # OpenVINO begins with the place in its own source.
        said = [line for line in lines if not line.startswith("Exception from")]
        answer["fault"] = (said or lines)[0].strip()[:300]
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
