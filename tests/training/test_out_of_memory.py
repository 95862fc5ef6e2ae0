"""A device that runs out of memory, in the words of each backend."""

import pytest

from segshrink.errors import TrainingError
from segshrink.recipe import TrainingSettings
from segshrink.training import train
from segshrink.training.out_of_memory import advised_batch_size, is_out_of_memory

from .runs import small_model, small_settings


class XlaRuntimeError(RuntimeError):
    """As JAX raises it."""


class ResourceExhaustedError(Exception):
    """As TensorFlow raises it."""


class OutOfMemoryError(RuntimeError):
    """As PyTorch raises it."""


ERRORS = [
    XlaRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 B."),
    ResourceExhaustedError("Graph execution error: failed to allocate"),
    OutOfMemoryError("CUDA error"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
]


@pytest.mark.parametrize("error", ERRORS)
def test_a_step_without_memory_names_the_batch_size_to_try(context, monkeypatch, error):
    def fail(*args, **options):
        raise error

    model = small_model()
    monkeypatch.setattr(model, "fit", fail)
    settings: TrainingSettings = small_settings(batch_size=6)
    with pytest.raises(TrainingError) as caught:
        train(model, settings, context)
    assert "batch_size 6 and tiles of 32 x 32 pixels. Set batch_size to 3" in str(
        caught.value
    )
    assert caught.value.__cause__ is error


def test_images_in_the_same_memory_may_be_kept_out_of_it():
    with pytest.raises(TrainingError, match="tiles_on: host"):
        with advised_batch_size(4, 32, on_device=True):
            raise ERRORS[0]
    with pytest.raises(TrainingError) as caught, advised_batch_size(4, 32):
        raise ERRORS[0]
    assert "tiles_on" not in str(caught.value)


def test_with_one_tile_the_remedy_is_another():
    with pytest.raises(TrainingError, match=r"Take smaller tiles \(tile_px\)"):
        with advised_batch_size(1, 256):
            raise ERRORS[0]


def test_other_errors_pass():
    assert not is_out_of_memory(ValueError("shapes differ"))
    assert not is_out_of_memory(KeyboardInterrupt())
    with pytest.raises(ValueError, match="shapes differ"), advised_batch_size(4, 32):
        raise ValueError("shapes differ")
