"""Names and colours of the classes of a model file."""

from segshrink.data.description import distinct_color
from segshrink.runtimes.artifact import Artifact

Color = tuple[int, int, int]


def legend(artifact: Artifact) -> list[tuple[str, Color]]:
    """Name and colour of each class: the file's own, or generated if it has none."""
    classes = artifact.metadata.classes if artifact.metadata else ()
    if len(classes) == artifact.num_classes:
        return [(each.name, each.color) for each in classes]
    return [(f"class {i}", distinct_color(i)) for i in range(artifact.num_classes)]
