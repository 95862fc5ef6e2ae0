"""What is said of the step that compiles."""

import re

from segshrink.progress import SilentProgress
from segshrink.training import TrainingContext, train

from .runs import small_model, small_settings


class Heard(SilentProgress):
    def __init__(self):
        self.events = []

    def advance(self, steps=1, **facts):
        self.events.append((steps, facts))

    def say(self, text):
        self.events.append(text)


def test_the_first_step_says_that_it_compiles_and_how_long_it_took(
    tmp_path, tiny_dataset
):
    heard = Heard()
    context = TrainingContext(dataset=tiny_dataset, folder=tmp_path, progress=heard)
    train(small_model(), small_settings(), context)
    before, said, *after = heard.events
    assert before == (0, {"step": "compiling"})
    assert re.fullmatch(
        r"training: the first step took \d+\.\d s, with compiling\.", said
    )
    assert [steps for steps, _ in after] == [1] * 6
