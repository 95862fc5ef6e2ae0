"""Compiled programs that the next process finds."""

import json
import os
import subprocess
import sys

from segshrink.training import compiled_programs

# A process trains one step, and counts what JAX found among the kept programs. The
# first program is compiled before the folder is known, as where a model is built.
STEP = """
import collections, json, jax, keras, numpy as np
counts = collections.Counter()
jax.monitoring.register_event_listener(lambda name, **_: counts.update([name]))
from segshrink.training import compiled_programs
keras.utils.set_random_seed(0)
images = keras.Input((16, 16, 3))
model = keras.Model(images, keras.layers.Conv2D(3, 3, padding="same")(images))
compiled_programs.has_accelerator = lambda: True
folder = compiled_programs.keep_compiled_programs()
counts.clear()
model.compile("adam", "mse")
model.train_on_batch(np.ones((2, 16, 16, 3)), np.ones((2, 16, 16, 3)))
found = [counts["/jax/compilation_cache/cache_" + x] for x in ("hits", "misses")]
print(json.dumps([folder and str(folder), *found]))
"""


def step(**variables):
    """(folder, programs that were found, programs that were compiled) of a process."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    environment |= {
        "KERAS_BACKEND": "jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PLATFORMS": "cpu",
    }
    ran = subprocess.run(
        [sys.executable, "-c", STEP],
        env=environment | variables,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(ran.stdout.splitlines()[-1])


def test_a_second_process_does_not_compile_again(tmp_path):
    cache = str(tmp_path / "user")
    folder, found, compiled = step(XDG_CACHE_HOME=cache)
    assert folder == f"{cache}/segshrink/jax"
    assert compiled > 0
    again = step(XDG_CACHE_HOME=cache)
    assert again == [folder, found + compiled, 0]


def test_the_folder_of_the_user_stays(tmp_path):
    chosen = tmp_path / "chosen"
    folder, *_ = step(
        JAX_COMPILATION_CACHE_DIR=str(chosen), XDG_CACHE_HOME=str(tmp_path / "user")
    )
    assert folder is None
    assert list(chosen.iterdir()) and not (tmp_path / "user/segshrink").exists()


def test_programs_for_processors_are_not_kept(monkeypatch):
    monkeypatch.setattr(compiled_programs.keras.config, "backend", lambda: "jax")
    monkeypatch.setattr(compiled_programs, "has_accelerator", lambda: False)
    assert compiled_programs.keep_compiled_programs() is None
