"""Programs that JAX compiled for an accelerator, kept for the next process."""

from pathlib import Path

import keras

from segshrink.records.user_cache import user_cache
from segshrink.training.device_tiles import has_accelerator


def keep_compiled_programs() -> Path | None:
    """Let JAX keep what it compiles for an accelerator in the user's cache directory.

    A training run that resumes then does not compile again. A folder that the user
    chose, such as by `JAX_COMPILATION_CACHE_DIR`, stays. Programs for processors are
    not kept: they hold instructions of the one that compiled them, and another that
    shares the home directory could not run them.

    Returns:
        The folder; None if nothing was changed.
    """
    if keras.config.backend() != "jax" or not has_accelerator():
        return None
    import jax

    if jax.config.jax_compilation_cache_dir:
        return None
    folder = user_cache() / "jax"
    try:
        # JAX runs what it finds there, so that nobody else may write to it.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        # It only saves time.
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    return folder
