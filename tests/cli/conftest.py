"""What the tests of the command line share."""

import pytest

from segshrink.cli.terminal import output


@pytest.fixture(autouse=True)
def loud():
    """`--json -` silences the process that it is given to, which here runs others."""
    yield
    output.quiet = False
