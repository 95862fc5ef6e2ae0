import importlib.util
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from segshrink.distillation import (
    PixelKL,
    Term,
    match_layers,
)

from .distillers import (
    IMAGES,
    LABELS,
    assert_same,
    every_loss,
    fixed_projections,
    pair,
    trained,
    valley,
    valleys,
    values_of,
)


@pytest.fixture
def mixed():
    before = keras.config.dtype_policy()
    yield lambda name: keras.config.set_dtype_policy(name)
    keras.config.set_dtype_policy(before)


def dtypes_of(outputs):
    return {
        keras.backend.standardize_dtype(x.dtype) for x in keras.tree.flatten(outputs)
    }


@pytest.mark.parametrize("policy_for_all", [False, True])
def test_mixed_precision_gives_finite_float32_losses(mixed, policy_for_all):
    mixed("mixed_bfloat16")
    student = valley(1, 2)
    if not policy_for_all:
        mixed("float32")
    teacher = valley(2, 5)
    mixed("mixed_bfloat16" if policy_for_all else "float32")
    matches = match_layers(teacher, student)
    distiller, *_ = pair(every_loss(matches), student=student, teacher=teacher)
    fixed_projections(distiller)
    outputs = distiller(IMAGES, training=True)
    assert dtypes_of(student(IMAGES)) == {"bfloat16"}
    assert dtypes_of(outputs) == {"float32"}
    loss = distiller.compute_loss(x=IMAGES, y=LABELS, y_pred=outputs)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    (logs,) = trained(distiller)
    assert np.isfinite(list(logs.values())).all()
    mixed("float32")
    exact, *_ = valleys(every_loss)
    fixed_projections(exact)
    # bfloat16 has three digits.
    assert logs == pytest.approx(trained(exact)[0], rel=0.1)


def test_compiled_by_xla_or_not_it_is_the_same():
    weight = np.array([1, 0.5, 2, 1], np.float32)
    logs, students = [], []
    for options in ({"run_eagerly": True}, {"jit_compile": True}):
        distiller, student, _ = valleys(every_loss, boundary_weight=2.0)
        fixed_projections(distiller)
        distiller.compile(keras.optimizers.SGD(0.1), **options)
        found = distiller.train_on_batch(
            IMAGES, LABELS, sample_weight=weight, return_dict=True
        )
        logs.append({name: float(value) for name, value in found.items()})
        students.append(student)
    assert logs[0] == pytest.approx(logs[1], rel=1e-4)
    assert_same(*students, rtol=1e-4, atol=1e-4)


def test_a_step_prints_nothing():
    """Keras warns of inputs whose structure it did not expect."""
    distiller, *_ = valleys(every_loss)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(distiller)


ON_ANOTHER_BACKEND = """
import sys
sys.path.insert(0, sys.argv[1])
from distillation import test_distiller_backends
test_distiller_backends.report_steps(*sys.argv[2:])
"""


def report_steps(weights_file, out_file):
    """Steps with all losses, and with a fading one; the outcome as a file."""
    data = np.load(weights_file)
    # Random kernels, which would not be the same, cost JAX seconds.
    student, teacher = valley(1, 2, kernels="zeros"), valley(2, 5, kernels="zeros")
    for name, model in (("student", student), ("teacher", teacher)):
        model.set_weights([data[f"{name}_{i}"] for i in range(len(model.weights))])
    matches = match_layers(teacher, student)
    distiller, *_ = pair(
        every_loss(matches), student=student, teacher=teacher, boundary_weight=2.0
    )
    fixed_projections(distiller)
    weight = np.array([1, 0.5, 2, 1], np.float32)
    distiller.compile(keras.optimizers.SGD(0.1))
    logs = distiller.train_on_batch(
        IMAGES, LABELS, sample_weight=weight, return_dict=True
    )
    # On JAX, train_on_batch does not write the weights back by itself.
    if hasattr(distiller, "jax_state_sync"):
        distiller.jax_state_sync()
    report = {"logs": {name: float(value) for name, value in logs.items()}}
    result = {f"weight_{i}": x for i, x in enumerate(values_of(student))}
    ours = {id(x) for x in student.variables}
    projections = [x for x in distiller.trainable_variables if id(x) not in ours]
    result |= {
        f"projection_{i}": ops.convert_to_numpy(x) for i, x in enumerate(projections)
    }
    result |= {f"teacher_{i}": x for i, x in enumerate(values_of(teacher))}
    report["fading"] = _fading(teacher, data)
    np.savez(out_file, report=np.array(json.dumps(report)), **result)


def _fading(teacher, data):
    """Losses of three epochs of one step, of a term that is gone by the third."""
    student = valley(1, 2, kernels="zeros")
    student.set_weights([data[f"student_{i}"] for i in range(len(student.weights))])
    schedule = keras.optimizers.schedules.CosineDecay(1.0, 2)
    distiller, *_ = pair(
        [Term(PixelKL(), schedule)],
        student=student,
        teacher=teacher,
        supervised_weight=0.0,
    )
    distiller.compile(keras.optimizers.SGD(0.0))
    try:
        history = distiller.fit(IMAGES, LABELS, batch_size=4, epochs=3, verbose=0)
    except Exception as error:  # noqa: BLE001  # reported by the test
        return f"{type(error).__name__}: {error}"
    return [float(x) for x in history.history["loss"]]


@pytest.fixture(scope="module", params=["jax", "torch"])
def elsewhere(request, tmp_path_factory):
    """Steps on this backend and on another: (report, arrays) of each."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    weights = {
        f"{name}_{i}": value
        for name, model in (("student", valley(1, 2)), ("teacher", valley(2, 5)))
        for i, value in enumerate(values_of_weights(model))
    }
    np.savez(folder / "weights.npz", **weights)
    report_steps(folder / "weights.npz", folder / "here.npz")
    arguments = [
        Path(__file__).parents[1],
        folder / "weights.npz",
        folder / "there.npz",
    ]
    done = subprocess.run(
        [sys.executable, "-c", ON_ANOTHER_BACKEND, *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": request.param},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = []
    for name in ("here", "there"):
        with np.load(folder / f"{name}.npz") as saved:
            arrays = {key: saved[key] for key in saved.files if key != "report"}
            results.append((json.loads(str(saved["report"])), arrays))
    return results


def values_of_weights(model):
    return [ops.convert_to_numpy(weight) for weight in model.weights]


def test_a_step_is_the_same_on_another_backend(elsewhere):
    (here, ours), (there, theirs) = elsewhere
    assert there["logs"] == pytest.approx(here["logs"], rel=1e-4)
    assert set(ours) == set(theirs)
    assert any(key.startswith("projection") for key in ours)
    for key, value in ours.items():
        np.testing.assert_allclose(theirs[key], value, rtol=1e-4, atol=1e-4)
        if key.startswith("teacher"):
            np.testing.assert_array_equal(theirs[key], value)


def test_fading_weights_are_the_same_on_another_backend(elsewhere):
    (here, _), (there, _) = elsewhere
    first, second, third = here["fading"]
    assert second == pytest.approx(first / 2, rel=1e-5) and third == 0
    assert there["fading"] == pytest.approx(here["fading"], rel=1e-4)
