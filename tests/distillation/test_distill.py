"""distill(): the student's files, the teacher's logits, and resuming."""

import keras
import numpy as np
import pytest
from keras import layers

from segshrink.distillation import distill
from segshrink.errors import RecipeError, RunFolderError, UsageError
from segshrink.objectives import CrossEntropy
from segshrink.progress import SilentProgress
from segshrink.pruning import plan_pruning
from segshrink.recipe import DistillationSettings, LossSettings, TrainingSettings
from segshrink.training import TrainingContext, discard_checkpoint

TILE_PX = 32
SETTINGS = TrainingSettings(
    epochs=2, batch_size=4, learning_rate=0.01, tiles_per_epoch=None
)
STEPS = 3  # an epoch

# Settings by what they need of the teacher.
PLAIN = {"losses": {"pixel_kl": 0.5}, "supervised": 0.5}
CACHED = PLAIN | {"cache_views": 1}
ONLINE = PLAIN | {"cache": False, "boundary_weight": 2.0, "fade": True}
FEATURES = {"losses": {"feature_hint": 1.0, "dist": 0.5}, "layers": ["bottleneck"]}
WAYS = {"cached": CACHED, "online": ONLINE, "features": FEATURES}


def network(seed, filters, name="network"):
    keras.utils.set_random_seed(seed)
    images = keras.Input((TILE_PX, TILE_PX, 3), name="images")
    x = layers.Rescaling(1 / 255, name="rescaled")(images)
    x = layers.Conv2D(filters, 3, padding="same", activation="relu", name="fine")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.MaxPooling2D(2, name="pool")(layers.Dropout(0.2, name="dropout")(x))
    x = layers.Conv2D(filters, 3, padding="same", activation="relu", name="deep")(x)
    x = layers.UpSampling2D(2, name="up")(x)
    x = layers.Conv2D(filters, 1, name="last")(x)
    return keras.Model(images, layers.Conv2D(3, 1, name="logits")(x), name=name)


class Said(SilentProgress):
    """Records messages and pieces of work."""

    def __init__(self):
        self.text = []
        self.begun = []
        self.label = None

    def start(self, label, total):
        self.label = label
        self.begun.append((label, total))

    def say(self, text):
        # How long a step takes to compile is not of interest here.
        if "the first step took" not in text:
            self.text.append(text)

    def about(self, beginning):
        return [text for text in self.text if text.startswith(beginning)]


class Interrupted(Exception):
    """Stands for a kill, which no code of ours can catch."""


class KillIn(Said):
    """Ends the piece of work of this label in the middle of a step."""

    def __init__(self, label, steps):
        super().__init__()
        self.doomed, self.left = label, steps

    def advance(self, steps=1, **facts):
        if self.label == self.doomed:
            self.left -= steps
            if self.left < 0:
                raise Interrupted


def run(
    folder, dataset, *, way=CACHED, student_seed=1, teacher_seed=5, student=None,
    teacher=None, settings=SETTINGS, progress=None, **options,
):  # fmt: skip
    """Distil; returns the result and the teacher."""
    teacher = network(teacher_seed, 6) if teacher is None else teacher
    student = network(student_seed, 2) if student is None else student
    context = TrainingContext(
        dataset=dataset, folder=folder, progress=progress or Said(), label="student"
    )
    way = DistillationSettings(**way)
    result = distill(student, teacher, settings, way, context, **options)
    return result, teacher


@pytest.fixture(scope="module")
def distilled(tmp_path_factory, tiny_dataset):
    """By way: folder, result, teacher and what was said, of a whole training."""
    done = {}

    def once(name):
        if name not in done:
            folder, said = tmp_path_factory.mktemp(name), Said()
            result, teacher = run(folder, tiny_dataset, way=WAYS[name], progress=said)
            done[name] = (folder, result, teacher, said)
        return done[name]

    return once


def lines(folder):
    text = (folder / "history.csv").read_text().splitlines()
    # Without the seconds, which are never the same.
    return [line.rpartition(",")[0] for line in text]


def weights_of(folder):
    return keras.saving.load_model(folder / "model.keras").get_weights()


def assert_same_outcome(folder, expected):
    assert lines(folder) == lines(expected)
    for mine, other in zip(weights_of(folder), weights_of(expected), strict=True):
        np.testing.assert_array_equal(mine, other)


# -- Files ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "parts"),
    [
        ("cached", "pixel_kl,supervised"),
        ("online", "pixel_kl,supervised"),
        ("features", "dist,feature_hint,supervised"),
    ],
)
def test_logs_the_parts_of_the_loss(distilled, way, parts):
    header, *rows = lines(distilled(way)[0])
    validated = "val_loss,val_miou,val_pixel_accuracy"
    assert header == f"epoch,loss,{parts},{validated},learning_rate"
    assert len(rows) == SETTINGS.epochs
    assert all(float(cell) >= 0 for row in rows for cell in row.split(","))


def test_the_loss_is_the_weighted_sum_of_its_parts(distilled):
    _, *rows = lines(distilled("cached")[0])
    for row in rows:
        _, loss, pixel_kl, supervised, *_ = map(float, row.split(","))
        assert pixel_kl > 0
        assert loss == pytest.approx((supervised + pixel_kl) / 2, rel=1e-5)
    _, *rows = lines(distilled("features")[0])
    for row in rows:
        _, loss, dist, hint, supervised, *_ = map(float, row.split(","))
        # The weight of the labels that was not given is the default's.
        assert loss == pytest.approx(supervised + 0.5 * dist + hint, rel=1e-5)


def test_the_validation_loss_is_on_labels_alone(tmp_path, tiny_dataset):
    loss = {"loss": LossSettings(dice=0)}
    settings, folder = SETTINGS.model_copy(update=loss), tmp_path
    result, _ = run(folder, tiny_dataset, settings=settings)
    student = keras.saving.load_model(folder / "model.keras")
    image, labels = tiny_dataset.val[0].read()
    tiles = [
        (x[:32, :32], x[:32, 32:], x[32:, :32], x[32:, 32:]) for x in (image, labels)
    ]
    logits = student.predict(np.stack(tiles[0]), verbose=0)
    expected = float(CrossEntropy()(np.stack(tiles[1]), logits))
    header, *rows = (line.split(",") for line in lines(folder))
    losses = [float(row[header.index("val_loss")]) for row in rows]
    assert losses[result.best_epoch - 1] == pytest.approx(expected, rel=1e-5)
    assert result.best_val_loss == min(losses)


@pytest.mark.parametrize("way", WAYS)
def test_saves_a_plain_student(distilled, way):
    folder, result, *_ = distilled(way)
    saved = keras.saving.load_model(folder / "model.keras")
    assert type(saved).__name__ == "Functional"
    expected = network(1, 2)
    assert [layer.name for layer in saved.layers if layer.weights] != []
    assert [x.shape for x in saved.weights] == [x.shape for x in expected.weights]
    assert not saved.compiled
    assert result.epochs == 2


@pytest.mark.parametrize("way", WAYS)
def test_does_not_touch_the_teacher(distilled, way):
    teacher, untouched = distilled(way)[2], network(5, 6)
    for ours, theirs in zip(
        teacher.get_weights(), untouched.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert all(layer.trainable for layer in teacher.layers) and not teacher.compiled


@pytest.mark.parametrize("way", WAYS)
def test_the_student_is_trained(distilled, way):
    before = network(1, 2).get_weights()
    assert any(
        (now != then).any()
        for now, then in zip(weights_of(distilled(way)[0]), before, strict=True)
    )


# -- Resuming ------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_resumes_as_if_never_stopped(tmp_path, tiny_dataset, distilled, way):
    with pytest.raises(Interrupted):
        killer = KillIn("student", STEPS + 1)
        run(tmp_path, tiny_dataset, way=WAYS[way], progress=killer)
    # Another student and other projections: all must come from the checkpoint.
    said = Said()
    run(tmp_path, tiny_dataset, way=WAYS[way], student_seed=9, progress=said)
    assert_same_outcome(tmp_path, distilled(way)[0])
    assert "student: resumes after epoch 1." in said.text
    if way == "cached":
        (line,) = said.about("Teacher's logits")
        assert line.endswith("3 of 3 maps are there.")


def test_resumes_after_a_stop_among_the_teachers_logits(
    tmp_path, tiny_dataset, distilled
):
    with pytest.raises(Interrupted):
        run(tmp_path, tiny_dataset, progress=KillIn("teacher's logits", 1))
    said = Said()
    run(tmp_path, tiny_dataset, progress=said)
    (line,) = said.about("Teacher's logits")
    assert line.endswith("2 of 3 maps are there.")
    assert_same_outcome(tmp_path, distilled("cached")[0])


def test_resumes_with_the_same_settings_and_teacher_only(tmp_path, tiny_dataset):
    online = PLAIN | {"cache": False}
    with pytest.raises(Interrupted):
        run(tmp_path, tiny_dataset, way=online, progress=KillIn("student", STEPS + 1))
    for change, named in (
        ({"losses": {"pixel_kl": 0.4}}, "distillation.losses.pixel_kl"),
        ({"supervised": 0.4}, "distillation.supervised"),
        ({"temperature": 3.0}, "distillation.temperature"),
        ({"boundary_weight": 3.0}, "distillation.boundary_weight"),
        ({"fade": True}, "distillation.fade"),
    ):
        with pytest.raises(RunFolderError, match=rf"other settings \({named}\)"):
            run(tmp_path, tiny_dataset, way=online | change)
    with pytest.raises(RunFolderError, match=r"other settings \(teacher\)"):
        run(tmp_path, tiny_dataset, way=online, teacher_seed=6)


def unnamed(seed):
    """Keras numbers layers without a name through all models of a process."""
    keras.utils.set_random_seed(seed)
    images = keras.Input((TILE_PX, TILE_PX, 3))
    x = layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 255)(images))
    return keras.Model(images, layers.Conv2D(3, 1)(x))


def test_resumes_with_a_rebuilt_teacher(tmp_path, tiny_dataset):
    online = PLAIN | {"cache": False}
    with pytest.raises(Interrupted):
        killer = KillIn("student", STEPS + 1)
        run(tmp_path, tiny_dataset, way=online, teacher=unnamed(5), progress=killer)
    run(tmp_path, tiny_dataset, way=online, teacher=unnamed(5))


def test_resumes_with_a_rebuilt_student_whose_maps_are_compared(tmp_path, tiny_dataset):
    def student():
        keras.utils.set_random_seed(7)
        images = keras.Input((TILE_PX, TILE_PX, 3))
        x = layers.Conv2D(4, 3, padding="same")(layers.Rescaling(1 / 255)(images))
        x = layers.UpSampling2D(2)(layers.Conv2D(4, 3, strides=2, padding="same")(x))
        return keras.Model(images, layers.Conv2D(3, 1)(x))

    way = {"losses": {"feature_hint": 1.0}}
    with pytest.raises(Interrupted):
        killer = KillIn("student", STEPS + 1)
        run(tmp_path, tiny_dataset, way=way, student=student(), progress=killer)
    run(tmp_path, tiny_dataset, way=way, student=student())


# -- The teacher's logits ------------------------------------------------------------


def test_logits_are_computed_once_and_reported(distilled):
    folder, _, _, said = distilled("cached")
    (line,) = said.about("Teacher's logits of 3 images")
    assert line.endswith(" MB at stride 4.")
    assert said.begun == [("teacher's logits", 3), ("student", 2 * STEPS)]
    assert said.about("The teacher runs") == []
    # The default augmentation changes colours, which one view does not replay.
    assert "targets are for the unchanged images" in said.text[-1]
    assert len(list((folder / "checkpoint" / "teacher-logits").glob("*.npy"))) == 3


def test_without_a_cache_none_is_made_and_nothing_said_of_it(distilled):
    folder, _, _, said = distilled("online")
    assert said.text == []
    assert said.begun == [("student", 2 * STEPS)]
    assert not (folder / "checkpoint" / "teacher-logits").exists()


def test_feature_maps_are_listed_and_computed_in_each_step(distilled):
    folder, _, _, said = distilled("features")
    table, reason = said.text
    assert table.startswith("Feature maps that are compared:\nrole ")
    assert "bottleneck" in table and "1x1 projection" in table
    assert "logits" not in table
    assert reason == (
        "The teacher runs in each step: feature_hint needs its feature maps, not "
        "only its logits."
    )
    assert not (folder / "checkpoint" / "teacher-logits").exists()


class Enough(Exception):
    pass


class UntilTraining(Said):
    """Ends when training begins."""

    def start(self, label, total):
        super().start(label, total)
        if label == "student":
            raise Enough


def said_before_training(folder, dataset, way=CACHED, **options):
    said = UntilTraining()
    with pytest.raises(Enough):
        run(folder, dataset, way=way, progress=said, **options)
    return said


def with_augmentation(**changes):
    augmentation = SETTINGS.augmentation.model_copy(update=changes)
    return SETTINGS.model_copy(update={"augmentation": augmentation})


@pytest.mark.parametrize("jitter", [(0.4, 1.0), (1.0, 2.5), (0.5, 2.001)])
def test_the_teacher_runs_in_each_step_if_the_zoom_is_too_wide(
    tmp_path, tiny_dataset, jitter
):
    said = said_before_training(
        tmp_path, tiny_dataset, settings=with_augmentation(scale_jitter=jitter)
    )
    (line,) = said.text
    assert line.startswith(
        f"The teacher runs in each step: a zoom of {jitter[0]:g} to {jitter[1]:g} "
    )
    assert not list(tmp_path.rglob("*.npy"))


def test_a_zoom_of_two_is_replayed(tmp_path, tiny_dataset):
    settings = with_augmentation(scale_jitter=(0.5, 2.0), photometric=0.0)
    said = said_before_training(tmp_path, tiny_dataset, settings=settings)
    (line,) = said.text
    assert line.startswith("Teacher's logits of 3 images")


def test_the_teacher_runs_in_each_step_if_logits_are_too_large(tmp_path, draw_dataset):
    # 64x64 cells of 3 float16 of each of 3 images at stride 8: 73,728 bytes.
    dataset = draw_dataset(512)
    said = said_before_training(tmp_path, dataset, CACHED | {"cache_mb": 0.07})
    (line,) = said.text
    assert line.startswith(
        "The teacher runs in each step: its logits need 0.0737 MB at stride "
        "8, more than the 0.07 of cache_mb"
    )
    assert not list(tmp_path.rglob("*.npy"))


@pytest.mark.parametrize(
    ("cache_mb", "stride"), [(0.08, 8), (0.29, 8), (0.3, 4), (100.0, 4), (None, 4)]
)
def test_the_stride_is_coarser_where_the_limit_asks_for_it(
    tmp_path, draw_dataset, cache_mb, stride
):
    way = CACHED | {"cache_mb": cache_mb}
    said = UntilCache()
    with pytest.raises(Enough):
        run(tmp_path, draw_dataset(512), way=way, progress=said)
    (line,) = said.about("Teacher's logits")
    assert line.endswith(f"MB at stride {stride}.")


def test_a_given_stride_is_kept_or_the_teacher_runs(tmp_path, draw_dataset):
    dataset, way = draw_dataset(512), CACHED | {"cache_stride": 2}
    said = UntilCache()
    with pytest.raises(Enough):
        run(tmp_path, dataset, way=way, progress=said)
    (line,) = said.about("Teacher's logits")
    assert line.endswith("1.2 MB at stride 2.")
    said = said_before_training(tmp_path / "none", dataset, way | {"cache_mb": 1.0})
    assert "its logits need 1.18 MB at stride 2, more than the 1 of" in said.text[0]


def test_tiles_that_the_stride_does_not_divide_are_refused_at_once(
    tmp_path, tiny_dataset
):
    images = keras.Input((30, 30, 3))
    x = layers.Rescaling(1 / 255)(images)
    student = keras.Model(images, layers.Conv2D(3, 1)(x))
    with pytest.raises(UsageError, match="Tiles of 30 pixels are no multiple of 4"):
        run(
            tmp_path,
            tiny_dataset,
            way=CACHED,
            student=student,
            teacher=student,
            progress=UntilCache(),
        )


class UntilCache(Said):
    """Ends when the teacher first runs."""

    def start(self, label, total):
        raise Enough


def test_views_are_replayed_with_their_colours(tmp_path, tiny_dataset):
    way = CACHED | {"cache_views": 2}
    said = said_before_training(tmp_path, tiny_dataset, way)
    assert not any("targets are for the unchanged" in text for text in said.text)
    assert said.begun[0] == ("teacher's logits", 6)
    # Without changes of colours, all views would be the same.
    plain = with_augmentation(photometric=0.0)
    with pytest.raises(UsageError, match="views and photometric go together"):
        said_before_training(tmp_path / "plain", tiny_dataset, way, settings=plain)


def test_a_given_cache_is_reused(tmp_path, tiny_dataset, distilled):
    cache = tmp_path / "cache"
    first, second = Said(), Said()
    run(tmp_path / "one", tiny_dataset, cache=cache, progress=first)
    assert not list((tmp_path / "one").rglob("*.npy"))
    discard_checkpoint(tmp_path / "one")
    assert len(list(cache.glob("*.npy"))) == 3
    run(tmp_path / "two", tiny_dataset, cache=cache, progress=second)
    (line,) = second.about("Teacher's logits")
    assert line.endswith("3 of 3 maps are there.")
    assert [label for label, _ in second.begun] == ["student"]
    # Where the logits lie makes no difference.
    for folder in ("one", "two"):
        assert_same_outcome(tmp_path / folder, distilled("cached")[0])


def test_a_cache_of_another_teacher_is_not_used(tmp_path, tiny_dataset):
    cache = tmp_path / "cache"
    said_before_training(tmp_path / "one", tiny_dataset, cache=cache)
    said = said_before_training(
        tmp_path / "two", tiny_dataset, cache=cache, teacher_seed=6
    )
    assert said.begun[0] == ("teacher's logits", 3)


def test_a_cache_of_its_own_goes_with_the_checkpoint(tmp_path, tiny_dataset):
    said_before_training(tmp_path, tiny_dataset)
    assert list(tmp_path.rglob("*.npy"))
    discard_checkpoint(tmp_path)
    assert not list(tmp_path.rglob("*.npy"))


# -- Students that were pruned ---------------------------------------------------------


def test_a_pruned_student_is_compared_with_what_it_kept(tmp_path, tiny_dataset):
    teacher = network(5, 6)
    plan = plan_pruning(teacher, keep=0.5, multiple_of=1)
    kept = {layer.name: layer.kept for layer in plan.layers}
    way = {"losses": {"feature_hint": 1.0}, "layers": ["encoder", "bottleneck"]}
    options = {"student": plan.apply(teacher), "teacher": teacher}
    said = said_before_training(tmp_path, tiny_dataset, way, kept=kept, **options)
    assert "kept channels" in said.text[0] and "projection" not in said.text[0]
    with pytest.raises(ValueError, match="channels were kept, but the student has"):
        wrong = kept | {"deep": (0,)}
        run(tmp_path, tiny_dataset, way=way, kept=wrong, **options)


def test_layers_that_are_not_there_are_refused(tmp_path, tiny_dataset):
    way = FEATURES | {"layers": ["middle"]}
    with pytest.raises(RecipeError, match=r"^distillation\.layers: .*'middle', there"):
        run(tmp_path, tiny_dataset, way=way)
    assert not list(tmp_path.iterdir())
