"""The distillation losses once more: plain loops in float64.

A `Batch` holds what a loss sees; the functions named like the losses give its value.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

VOID = 255


@dataclass(frozen=True)
class Batch:
    """Arguments of `compute_loss`: numpy arrays."""

    teacher: np.ndarray
    student: np.ndarray
    valid: np.ndarray | None = None
    sample_weight: np.ndarray | None = None

    @property
    def arguments(self):
        return self.teacher, self.student, self.valid, self.sample_weight

    def but(self, **fields):
        return replace(self, **fields)

    def of_images(self, images):
        return Batch(*(x if x is None else x[images] for x in self.arguments))


def overlap_means(plane, height, width):
    """Means of a (rows, columns) plane over the areas of other cells."""
    means = np.zeros((height, width))
    rows, columns = plane.shape
    for i, j, row, column in product(*map(range, (height, width, rows, columns))):
        area = overlap(i, height, row, rows) * overlap(j, width, column, columns)
        means[i, j] += area * plane[row, column]
    return means


def overlap(cell, cells, pixel, pixels):
    """Share of a cell's side that a pixel covers; the 0 is exact."""
    start = max(cell * pixels, pixel * cells)
    stop = min((cell + 1) * pixels, (pixel + 1) * cells)
    return max(0, stop - start) / pixels


def cell_weights(batch, image):
    """What each cell of an image counts: the mean of sample weight where valid."""
    valid, weight = (
        np.ones((1, 1)) if x is None else np.atleast_2d(x[image].astype(np.float64))
        for x in (batch.valid, batch.sample_weight)
    )
    return overlap_means(valid * weight, *batch.teacher.shape[1:3])


def cells(batch, images=None):
    """(weight, teacher's vector, student's vector) of all cells that count."""
    found = []
    for image in range(len(batch.teacher)) if images is None else images:
        weights = cell_weights(batch, image)
        for place in np.ndindex(*weights.shape):
            if weights[place] > 0:
                pair = (batch.teacher[image][place], batch.student[image][place])
                found.append((weights[place], *(x.astype(np.float64) for x in pair)))
    return found


def over_images(batch, value):
    """Mean of `value(cells of an image)` over the images with a valid pixel."""
    total = divisor = 0.0
    for image in range(len(batch.teacher)):
        found = cells(batch, [image])
        weight = 1.0 if batch.sample_weight is None else batch.sample_weight[image]
        if found:
            total += weight * value(found)
            divisor += weight
    return total / divisor if divisor else 0.0


def softmax(logits):
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def log_softmax(logits):
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum())


def with_two_classes(logits):
    return np.array([0.0, logits[0]]) if len(logits) == 1 else logits


def divergence(teacher, student):
    """Of two softmaxes, given by their logits."""
    log_p, log_q = log_softmax(teacher), log_softmax(student)
    return sum(np.exp(a) * (a - b) for a, b in zip(log_p, log_q, strict=True))


def pixel_kl(batch, temperature=2.0):
    total = weights = 0.0
    for w, teacher, student in cells(batch):
        pair = [with_two_classes(z) / temperature for z in (teacher, student)]
        total += w * divergence(*pair)
        weights += w
    return temperature**2 * total / weights if weights else 0.0


def soft_dice(batch):
    found = [(w, *map(with_two_classes, pair)) for w, *pair in cells(batch)]
    present = {c for _, z, _ in found for c in range(len(z)) if z[c] == max(z)}
    values = []
    for c in present:
        above = sum(w * abs(softmax(t)[c] - softmax(s)[c]) for w, t, s in found)
        below = sum(w * (softmax(t)[c] + softmax(s)[c]) for w, t, s in found)
        values.append(above / below)
    return np.mean(values) if values else 0.0


def channel_wise(batch, temperature=4.0):
    def of_image(found):
        log_w = np.log([w for w, _, _ in found])
        channels = len(found[0][1])
        total = 0.0
        for c in range(channels):
            teacher = np.array([t[c] for _, t, _ in found]) / temperature + log_w
            student = np.array([s[c] for _, _, s in found]) / temperature + log_w
            total += divergence(teacher, student)
        return temperature**2 / channels * total

    return over_images(batch, of_image)


def pearson(weights, one, other):
    weights = np.asarray(weights) / np.sum(weights)
    one, other = (x - np.sum(weights * x) for x in (np.array(one), np.array(other)))
    products = np.sum(weights * one * other)
    return products / np.sqrt(np.sum(weights * one**2) * np.sum(weights * other**2))


def dist(batch, temperature=1.0, inter=1.0, intra=1.0):
    found = [
        (w, *(softmax(with_two_classes(z) / temperature) for z in pair))
        for w, *pair in cells(batch)
    ]
    if not found:
        return 0.0
    weights, teacher, student = zip(*found, strict=True)
    value = 0.0
    if inter:
        r = [pearson(np.ones(len(t)), t, s) for _, t, s in found]
        value += inter * (1 - np.average(r, weights=weights))
    if intra:
        columns = zip(np.transpose(teacher), np.transpose(student), strict=True)
        value += intra * (1 - np.mean([pearson(weights, t, s) for t, s in columns]))
    return temperature**2 * value


def feature_hint(batch):
    difference = size = 0.0
    for w, teacher, student in cells(batch):
        difference += w * sum((teacher - student) ** 2)
        size += w * sum(teacher**2)
    return difference / size if size else 0.0


def attention_transfer(batch):
    def of_image(found):
        maps = []
        for which in (1, 2):
            activity = [np.mean(cell[which] ** 2) for cell in found]
            length = np.sqrt(
                sum(c[0] * a**2 for c, a in zip(found, activity, strict=True))
            )
            maps.append([a / length for a in activity])
        return sum(c[0] * (t - s) ** 2 for c, t, s in zip(found, *maps, strict=True))

    return over_images(batch, of_image)


def pairwise_similarity(batch, grid=8):
    size = [min(grid, side) for side in batch.teacher.shape[1:3]]
    total = divisor = 0.0
    for image in range(len(batch.teacher)):
        weights = cell_weights(batch, image)
        shares = overlap_means(weights, *size).ravel()
        kept = [i for i in range(len(shares)) if shares[i] > 0]
        nodes = [
            nodes_of(maps[image].astype(np.float64), weights, size)
            for maps in (batch.teacher, batch.student)
        ]
        above = below = 0.0
        for i, j in product(kept, kept):
            difference = cosine(nodes[0], i, j) - cosine(nodes[1], i, j)
            above += shares[i] * shares[j] * difference**2
            below += shares[i] * shares[j]
        if below:
            weight = 1.0 if batch.sample_weight is None else batch.sample_weight[image]
            total += weight * above / below
            divisor += weight
    return total / divisor if divisor else 0.0


def nodes_of(features, weights, size):
    """Sums in place of means, which makes no difference to a cosine."""
    weighted = [
        overlap_means(np.where(weights > 0, weights * np.nan_to_num(plane), 0), *size)
        for plane in np.moveaxis(features, -1, 0)
    ]
    return np.stack(weighted, axis=-1).reshape(-1, features.shape[-1])


def cosine(nodes, i, j):
    return nodes[i] @ nodes[j] / np.sqrt((nodes[i] @ nodes[i]) * (nodes[j] @ nodes[j]))


def boundary_weights(labels, weight, radius_px):
    weights = np.ones(labels.shape, np.float32)
    for image, row, column in np.ndindex(*labels.shape):
        rows = slice(max(0, row - radius_px), row + radius_px + 1)
        columns = slice(max(0, column - radius_px), column + radius_px + 1)
        around = set(labels[image, rows, columns].ravel().tolist()) - {VOID}
        if labels[image, row, column] != VOID and len(around) > 1:
            weights[image, row, column] = weight
    return weights
