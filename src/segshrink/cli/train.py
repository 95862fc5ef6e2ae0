"""segshrink train."""

from segshrink.cli.figures import CsvFile, Figures, JsonFile, single_values
from segshrink.cli.options import (
    Data,
    Devices,
    Out,
    RecipeFile,
    ResizeMasks,
    Seed,
    Settings,
    SnapColors,
    SplitFile,
    assemble_recipe,
    device_count,
    with_masks,
)
from segshrink.cli.terminal import TerminalProgress, load_keras, output


def train(
    data: Data,
    out: Out,
    recipe: RecipeFile = None,
    split: SplitFile = None,
    snap_colors: SnapColors = False,
    resize_masks: ResizeMasks = False,
    settings: Settings = None,
    seed: Seed = None,
    devices: Devices = "1",
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Train a teacher; OUT gets model.keras, history.csv and record.json.

    Example: segshrink train data --out runs/t --set teacher.training.epochs=5
    """
    figures = Figures(json_file, csv_file)
    count = device_count(devices)
    settings = with_masks(settings, snap_colors=snap_colors, resize_masks=resize_masks)
    chosen = assemble_recipe(data, recipe, settings, split=split, seed=seed)
    load_keras()
    from segshrink.compression.pipeline import train_teacher

    record = train_teacher(chosen, out, progress=TerminalProgress(), devices=count)
    output.out(
        f"{out / 'model.keras'}: mean IoU {record.best_val_miou:.3f} on validation "
        f"(epoch {record.best_epoch} of {record.epochs})"
    )
    plain = record.as_plain()
    figures.write(plain, [single_values(plain)])
