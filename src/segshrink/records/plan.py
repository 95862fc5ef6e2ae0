"""The record of a pruning plan, `plan.json`: which channels stayed, and at what cost.

A record holds indices, counts and costs. What a plan cuts from each weight follows from
them and from the model, and is not written.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer, field_validator

from segshrink.records.measurement import Count, Milliseconds
from segshrink.records.record import Record

Number = int | float


class BudgetRecord(Record):
    """Cost that the smaller model may have.

    `target` is up to 1 a share of the model's cost, above 1 a number in the unit of the
    budget. The other fields belong to budgets that are measured on exported files.
    """

    kind: str
    target: Number
    runtime: str | None = None
    threads: int | None = None
    quantize: str | None = None


class PlanSettings(Record):
    """How a plan was made: the arguments of `plan_pruning`, or the masks of layers.

    `images` is the number of images that the criterion looked at.
    """

    keep: Number | None = None
    budget: BudgetRecord | None = None
    criterion: str | None = None
    scope: str | None = None
    multiple_of: int | None = None
    skip: tuple[str, ...] = ()
    images: int | None = None
    masks: tuple[str, ...] | None = None


class PlannedGroupRecord(Record):
    """Kept channels of one group whose channels leave together."""

    layers: tuple[str, ...]
    units_before: Count
    units_after: Count
    kept: tuple[int, ...]
    parameters_share: float | None = None
    macs_share: float | None = None


class PlannedLayerRecord(Record):
    """Kept output channels of one layer."""

    name: str
    channels_before: Count
    channels_after: Count
    kept: tuple[int, ...]


class FrozenRecord(Record):
    """Channels of one layer that must stay, and why."""

    layer: str
    channels: Count
    reason: str


class MeasuredSize(Record):
    """Bytes of exported files, as a budget predicted and measured them."""

    unit: Literal["bytes"]
    runtime: str
    quantize: str | None
    before: int
    target: Number
    predicted: float
    after: int


class BlocksRecord(Record):
    """Number of channels that a runtime computes at once.

    `outputs` and `inputs` are those of a multiplication, `narrow` the outputs of a
    second kernel for narrow layers (0: there is none), `values` those of a tensor.
    """

    outputs: int = 1
    values: int = 1
    inputs: int = 1
    narrow: int = 0


class SpentMilliseconds(Record):
    """Predicted milliseconds of the smaller model, by what they are spent on."""

    blocks: float
    memory: float
    macs: float
    constant: float


class SlowLayer(Record):
    """One of the layers that take most of the time that is left."""

    layer: str
    before_ms: float
    after_ms: float
    bound_by: str


class MeasuredLatency(Record):
    """Milliseconds of exported files, as a budget predicted and measured them.

    `fit_error` is the relative error of the latency model on samples left out, and
    `prices` are its coefficients.
    """

    unit: Literal["ms"]
    runtime: str
    threads: int
    quantize: str | None
    before: Milliseconds
    target: Milliseconds
    predicted: float
    after: Milliseconds
    candidates_timed: int | None = None
    fit_error: float | None = None
    blocks: BlocksRecord = BlocksRecord()
    prices: Mapping[str, float] = Field(default_factory=dict)
    spent_ms: SpentMilliseconds | None = None
    slowest_layers: tuple[SlowLayer, ...] = ()


Measured = Annotated[MeasuredSize | MeasuredLatency, Field(discriminator="unit")]


class PlanRecord(Record):
    """A pruning plan as `PruningPlan.as_record` gives it.

    `macs_before` and `macs_after` are `None` where the image size is open; `measured`
    is `None`, written as `{}`, where the budget was counted. `custom_layers` names the
    layers, as `name (Class)`, whose classes Keras does not have.
    """

    model: str = ""
    settings: PlanSettings = PlanSettings()
    parameters_before: Count
    parameters_after: Count
    macs_before: Count | None = None
    macs_after: Count | None = None
    measured: Measured | None = None
    custom_layers: tuple[str, ...] = ()
    groups: tuple[PlannedGroupRecord, ...] = ()
    layers: tuple[PlannedLayerRecord, ...] = ()
    frozen: tuple[FrozenRecord, ...] = ()

    @field_validator("measured", mode="before")
    @classmethod
    def _nothing_measured(cls, value: Any) -> Any:
        return value or None

    @field_serializer("measured", mode="wrap")
    def _plain_measured(self, value: Any, handler: Any) -> Any:
        return {} if value is None else handler(value)

    def as_plain(self) -> dict[str, Any]:
        """This record as plain data, with the fields that were given."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)
