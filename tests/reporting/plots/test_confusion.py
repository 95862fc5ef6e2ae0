import pytest

from segshrink.reporting.plots.confusion import confusion_plot
from segshrink.reporting.plots.theme import DARK, LIGHT, Theme


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_shares_are_of_the_true_class_and_undefined_without_pixels(
    theme: Theme,
) -> None:
    plot = confusion_plot([[6, 2, 0], [0, 0, 0], [1, 1, 2]], ["roof", "road", "$x{$"])
    [axes] = plot.draw(theme).axes
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["75", "25", "0", "–", "–", "–", "25", "25", "50"]
    assert axes.images[0].get_array()[0].tolist() == [75, 25, 0]
    assert [label.get_text() for label in axes.get_yticklabels()][0] == "roof"
    assert "predicted as each of roof, road" in plot.alt
    assert plot.png(theme).startswith(b"\x89PNG")
