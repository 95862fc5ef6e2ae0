import keras
import numpy as np
import pytest
from keras import ops

from segshrink.distillation import (
    DIST,
    AttentionTransfer,
    ChannelWise,
    Distiller,
    FeatureHint,
    PixelKL,
    Term,
    match_layers,
)
from segshrink.objectives import CrossEntropy

from .distillers import pair, valley, valleys
from .networks import SIDE_PX, network


class Foreign(keras.distillation.DistillationLoss):
    name = "foreign"

    def compute_loss(self, teacher_outputs, student_outputs, **options):
        return ops.mean(ops.square(teacher_outputs - student_outputs))


def test_refuses_losses_that_know_of_no_void():
    for loss in (
        Foreign(),
        keras.distillation.LogitsDistillation(),
        keras.losses.MeanSquaredError(),
    ):
        kind = type(loss).__name__
        with pytest.raises(
            ValueError, match=f"^{kind}: does not leave out void pixels. T"
        ):
            pair([Term(PixelKL()), Term(loss)])


@pytest.mark.parametrize("loss", [PixelKL(), DIST()])
def test_refuses_pairs_for_losses_of_classes(loss):
    with pytest.raises(
        ValueError, match=rf"^{loss.name}: compares classes, .*\. Drop its pairs"
    ):
        valleys(lambda matches: [Term(loss, 1.0, matches)])


def test_refuses_pairs_without_a_teacher():
    student = valley(1, 2)
    terms = [Term(FeatureHint(), 1.0, match_layers(valley(2, 5), student))]
    with pytest.raises(
        ValueError, match="^feature_hint: feature maps need a teacher, got None"
    ):
        Distiller(student, None, supervised=CrossEntropy(), terms=terms)


def test_refuses_pairs_of_other_models():
    """Before the first step, which would only say that an axis is wrong."""
    student, teacher = valley(1, 2), valley(2, 5)
    unknown = match_layers(network(2), network(1)).select("bottleneck")
    wider = match_layers(teacher, valley(1, 3)).select("bottleneck")
    for matches in (unknown, wider):
        with pytest.raises(ValueError):
            pair([Term(FeatureHint(), 1.0, matches)], student=student, teacher=teacher)


@pytest.mark.parametrize("classes", [1, 2])
def test_refuses_relations_among_two_classes(classes):
    models = {"student": network(1, classes=classes)}
    models |= {"teacher": network(2, classes=classes)}
    with pytest.raises(ValueError, match=f"over {classes} classes .*Set inter to 0"):
        pair([Term(DIST())], **models)
    pair([Term(DIST(inter=0))], **models)


def test_refuses_two_terms_of_one_name():
    with pytest.raises(ValueError, match=r"names differ, got \['pixel_kl', 'pixel_kl'"):
        pair([Term(PixelKL(1.0)), Term(PixelKL(2.0))])
    with pytest.raises(ValueError, match="at least one"):
        pair([])


def test_refuses_a_term_with_the_name_of_the_supervised_loss():
    loss = PixelKL()
    loss.name = "supervised"
    with pytest.raises(ValueError, match="names differ"):
        pair([Term(loss)])


def test_refuses_a_boundary_weight_without_effect():
    over_images = [Term(ChannelWise()), Term(AttentionTransfer())]
    with pytest.raises(
        ValueError,
        match="no effect on channel_wise, attention_transfer, which compare whole im",
    ):
        pair(over_images, boundary_weight=2.0)
    pair([*over_images, Term(PixelKL())], boundary_weight=2.0)


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf"), np.float32(-1)])
def test_refuses_weights_out_of_range(weight):
    for options in (
        {"terms": [Term(PixelKL(), weight)]},
        {"supervised_weight": weight},
        {"boundary_weight": weight},
    ):
        with pytest.raises(
            ValueError, match=rf"weight must be at least 0, got {weight}"
        ):
            pair(**options)


@pytest.mark.parametrize("zero", [0, 0.0, np.float32(0)])
def test_refuses_weights_that_are_all_zero(zero):
    with pytest.raises(
        ValueError, match="all weights are 0: there is nothing to learn"
    ):
        pair([Term(PixelKL(), zero), Term(DIST(), zero)], supervised_weight=zero)


def test_refuses_models_that_do_not_fit_together():
    with pytest.raises(ValueError, match=r"same output_shape, got \(None, 8, 8, 4\) a"):
        pair(student=network(classes=3), teacher=network(classes=4))
    tall = keras.Input((16, SIDE_PX, 3))
    with pytest.raises(ValueError, match=r"same input_shape, got \(None, 16, 8, 3\)"):
        pair(student=network(), teacher=keras.Model(tall, tall))
