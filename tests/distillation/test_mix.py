"""From settings to terms: what is filled in, and what is refused."""

import keras
import pytest
from keras import layers

from segshrink.distillation import Distiller, match_layers
from segshrink.distillation.mix import LOSSES, build_terms
from segshrink.errors import ModelError, RecipeError
from segshrink.models import build_model
from segshrink.objectives import CrossEntropy
from segshrink.pruning import plan_pruning
from segshrink.recipe import FEATURE_LOSSES, LOGIT_LOSSES, DistillationSettings


def unet(base_filters=8, **options):
    options = {"num_classes": 3, "input_shape": (32, 32, 3), "levels": 2} | options
    return build_model("unet", base_filters=base_filters, **options)


@pytest.fixture(scope="module")
def models():
    """(teacher, student)."""
    return unet(), unet(4)


def terms_of(models, *, steps=10, kept=None, **settings):
    chosen = DistillationSettings(**settings).completed()
    return build_terms(chosen, *models, steps=steps, kept=kept)


def test_there_is_a_class_for_each_loss_that_a_recipe_may_name():
    assert set(LOSSES) == {*LOGIT_LOSSES, *FEATURE_LOSSES}
    for name, loss in LOSSES.items():
        assert loss.name == name
        assert not (loss.logits_only and name in FEATURE_LOSSES)


# -- Terms ---------------------------------------------------------------------------


def test_the_defaults_train(models):
    terms, _ = terms_of(models)
    chosen = DistillationSettings().completed()
    teacher, student = models
    distiller = Distiller(
        student,
        teacher,
        supervised=CrossEntropy(),
        terms=terms,
        supervised_weight=chosen.supervised,
    )
    assert [term.loss.name for term in distiller.terms] == list(chosen.losses)


def test_terms_in_the_order_of_the_settings(models):
    losses = {"dist": 0.1, "feature_hint": 0.2, "pixel_kl": 0.3, "channel_wise": 0.4}
    losses |= {"attention_transfer": 0.5, "pairwise_similarity": 0.6}
    terms, pairs = terms_of(models, losses=losses, temperature=7.0)
    assert [(term.loss.name, term.weight) for term in terms] == [*losses.items()]
    assert [type(term.loss) for term in terms] == [LOSSES[name] for name in losses]
    by_name = {term.loss.name: term for term in terms}
    assert by_name["pixel_kl"].loss.temperature == 7.0
    # That of others is their own.
    assert by_name["channel_wise"].loss.temperature == 4.0
    assert by_name["dist"].loss.temperature == 1.0
    for name, term in by_name.items():
        assert tuple(term.pairs) == (tuple(pairs) if name in FEATURE_LOSSES else ())


def test_pairs_are_those_of_the_layers(models):
    whole = match_layers(*models)
    for chosen_layers, roles in (
        (None, ("bottleneck", "decoder")),
        (("encoder",), ("encoder",)),
        (("encoder 1/2", "logits"), ("encoder 1/2", "logits")),
    ):
        _, pairs = terms_of(models, losses={"feature_hint": 1.0}, layers=chosen_layers)
        assert pairs == whole.select(*roles)


def test_losses_of_logits_need_no_pairs(models):
    terms, pairs = terms_of(models, losses={"pixel_kl": 1.0, "dist": 1.0})
    assert pairs == () and all(not term.pairs for term in terms)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="subclassed")
        self.logits = layers.Conv2D(3, 1)

    def call(self, images):
        return self.logits(images)


def test_only_losses_of_feature_maps_look_into_the_models(models):
    hidden = (models[0], Subclassed())
    terms, _ = terms_of(hidden, losses={"channel_wise": 1.0})
    assert len(terms) == 1
    with pytest.raises(ModelError, match="^subclassed: .* by its logits alone"):
        terms_of(hidden, losses={"feature_hint": 1.0})


def test_layers_that_no_pair_has_are_refused_with_those_that_there_are(models):
    with pytest.raises(
        RecipeError,
        match=r"^distillation\.layers: no pair has the role 'middle', there are: "
        r"encoder 1/1, encoder 1/2, bottleneck, decoder 1/2, decoder 1/1, logits\.$",
    ):
        terms_of(models, losses={"feature_hint": 1.0}, layers=("decoder", "middle"))


def test_kept_channels_reach_the_pairs():
    teacher = unet()
    plan = plan_pruning(teacher, keep=0.5, multiple_of=1)
    pruned = (teacher, plan.apply(teacher))
    kept = {layer.name: layer.kept for layer in plan.layers}
    losses = {"feature_hint": 1.0}
    terms, pairs = terms_of(pruned, losses=losses, kept=kept)
    assert all(pair.direct for pair in pairs)
    assert {pair.comparison for pair in pairs} == {"kept channels"}
    assert tuple(terms[0].pairs) == tuple(pairs)
    _, without = terms_of(pruned, losses=losses)
    assert {pair.comparison for pair in without} == {"1x1 projection"}


def test_a_wrong_plan_is_no_fault_of_the_layers():
    teacher = unet()
    plan = plan_pruning(teacher, keep=0.5, multiple_of=1)
    other = plan_pruning(teacher, keep=0.25, multiple_of=1)
    kept = {layer.name: layer.kept for layer in other.layers}
    pruned = (teacher, plan.apply(teacher))
    with pytest.raises(ValueError, match="channels were kept, but the student has"):
        terms_of(pruned, losses={"feature_hint": 1.0}, kept=kept)
    # Where no feature maps are compared it does not matter.
    terms_of(pruned, losses={"pixel_kl": 1.0}, kept=kept)


def test_models_without_a_common_decoder_learn_by_default_what_there_is():
    """The missing roles were not chosen."""
    student = build_model(
        "compact", num_classes=3, input_shape=(32, 32, 3), width=8, stem_stride=4
    )
    losses = {"feature_hint": 1.0}
    _, pairs = terms_of((unet(), student), losses=losses)
    assert [pair.role for pair in pairs] == ["bottleneck"]


# -- Fading --------------------------------------------------------------------------


def test_weights_stay_unless_they_fade(models):
    terms, _ = terms_of(models, losses={"pixel_kl": 0.8, "dist": 0.2})
    assert [term.weight for term in terms] == [0.8, 0.2]


@pytest.mark.parametrize("steps", [1, 2, 10, 10_000])
def test_fading_falls_to_nothing_over_the_steps(models, steps):
    losses = {"pixel_kl": 0.8, "feature_hint": 3.0}
    terms, _ = terms_of(models, losses=losses, fade=True, steps=steps)
    for term, weight in zip(terms, losses.values(), strict=True):
        places = [0, steps / 4, steps / 2, 3 * steps / 4, steps]
        values = [float(term.weight(place)) for place in places]
        # A cosine: 1, 0.854, 0.5, 0.146, 0.
        shares = [1, 0.853553, 0.5, 0.146447, 0]
        assert values == pytest.approx([weight * x for x in shares], abs=1e-5)
        assert float(term.weight(2 * steps)) == pytest.approx(0, abs=1e-6)


def test_what_fades_is_the_teachers_part_alone(models):
    chosen = DistillationSettings(fade=True, supervised=0.4).completed()
    assert chosen.supervised == 0.4
