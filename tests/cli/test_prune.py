"""The options of `prune`, whose defaults are those of a recipe."""

import pytest
from typer.main import get_command

from segshrink.cli.app import app
from segshrink.cli.data_options import DataOptions
from segshrink.cli.prune import _recovers
from segshrink.errors import UsageError
from segshrink.recipe import PRUNING_TILES, PruningSettings

DATA, NO_DATA = DataOptions("synthetic"), DataOptions(None)


def test_help_names_the_defaults_of_a_recipe():
    parameters = get_command(app).commands["prune"].params
    text = {parameter.name: parameter.help for parameter in parameters}
    defaults = PruningSettings()
    assert f"{defaults.keep} by default" in text["keep"]
    assert f"{defaults.criterion} (default)" in text["criterion"]
    assert f"{PRUNING_TILES} by default" in text["tiles"]


@pytest.mark.parametrize(
    ("recover", "criterion", "options", "expected"),
    [
        (None, "l1", DATA, PruningSettings().recovery != "none"),
        (True, "l1", DATA, True),
        (False, "taylor", DATA, False),
        (None, "taylor", DATA, True),
        (None, "l1", NO_DATA, False),
        (False, "l1", NO_DATA, False),
    ],
)
def test_weights_are_refitted_where_there_are_images(
    recover, criterion, options, expected, capsys
):
    assert _recovers(recover, criterion, options) == expected
    is_noted = "Note: the weights behind removed channels" in capsys.readouterr().err
    assert is_noted == (recover is None and not options.is_given)


@pytest.mark.parametrize(
    ("recover", "criterion", "options", "message"),
    [
        (True, "l1", NO_DATA, "--recover: looks at images. Name the data set"),
        (None, "fisher", NO_DATA, "--criterion fisher: looks at images."),
        (False, "l1", DATA, "--data has no effect with --criterion l1 and --no-rec"),
    ],
)
def test_data_goes_with_what_looks_at_it(recover, criterion, options, message):
    with pytest.raises(UsageError) as caught:
        _recovers(recover, criterion, options)
    assert message in str(caught.value)
