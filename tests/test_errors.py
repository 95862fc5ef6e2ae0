import inspect

import pytest

from segshrink import errors
from segshrink.errors import MissingExtraError, SegshrinkError

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", ALL)
def test_one_hierarchy(kind):
    assert issubclass(kind, SegshrinkError)


@pytest.mark.parametrize("kind", ALL)
def test_2_for_what_the_user_can_mend_and_1_for_the_rest(kind):
    mends = not (kind is SegshrinkError or kind.__name__ in _OURS)
    assert kind.exit_code == (2 if mends else 1)


_OURS = {"TrainingError", "ExportError"}


def test_a_missing_extra_names_the_command():
    error = MissingExtraError("The search", "search")
    assert str(error) == (
        "The search needs packages that are not installed. "
        "Install them with: pip install 'segshrink[search]'"
    )
