"""Settings of pruning: how much is kept, which channels, and what repairs the rest."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from segshrink.recipe.settings import Settings


class BudgetSettings(Settings):
    """The cost that the pruned model may have; see `segshrink.pruning.budgets`.

    `target`: up to 1 a share of the teacher's cost, above 1 an absolute cost in
    multiply-accumulates, weights or milliseconds; of kind size, bytes of the file
    without its metadata (one or two kilobytes).
    `runtime` and `quantize` choose the file that size and latency refer to, one of
    logits whatever `export.output` is, and `threads` how it is timed.
    """

    kind: Literal["macs", "parameters", "size", "latency"]
    target: float = Field(gt=0)
    runtime: Literal["litert", "onnx"] | None = None
    threads: int | None = Field(None, ge=1)
    quantize: Literal["int8"] | None = None

    @model_validator(mode="after")
    def _require_bytes(self) -> Self:
        if self.kind == "size" and self.target <= 1:
            raise ValueError(
                f"target: {self.target:g} is no number of bytes above 1, which a "
                "budget of kind size has"
            )
        return self

    @model_validator(mode="after")
    def _refuse_options_without_effect(self) -> Self:
        known = {"size": {"runtime", "quantize"}}
        known["latency"] = known["size"] | {"threads"}
        options = {"runtime", "threads", "quantize"}
        idle = sorted(
            name
            for name in options - known.get(self.kind, set())
            if getattr(self, name) is not None
        )
        if idle:
            raise ValueError(f"{', '.join(idle)}: no effect on {self.kind}, drop it")
        if self.quantize and self.runtime == "onnx":
            raise ValueError("quantize: int8 needs runtime: litert")
        return self


# Criteria that need images, and the default number of training tiles for them.
LOOK_AT_DATA = ("mean_activation", "taylor", "fisher")
PRUNING_TILES = 64


class PruningSettings(Settings):
    """How much of the teacher's channels the student keeps, and which.

    `keep` is a share of the channels, 0.3 unless there is a `budget`. `scope` is layer
    with `keep` and global with a budget, unless given. `tiles`: training tiles for
    criteria and recovery. `recovery` solves the weights of the layers behind pruned
    channels again before training. `steps`: number of times to prune, with
    `step_epochs` of training in between, see `segshrink.pruning.prune_in_steps`.
    """

    keep: float | None = Field(None, gt=0, lt=1)
    budget: BudgetSettings | None = None
    criterion: Literal[
        "l1",
        "l2",
        "group_norm",
        "slimming",
        "geometric_median",
        "mean_activation",
        "taylor",
        "fisher",
        "random",
    ] = "group_norm"
    scope: Literal["global", "layer"] | None = None
    multiple_of: int | None = Field(None, ge=1)
    recovery: Literal["none", "reconstruction"] = "reconstruction"
    tiles: int | None = Field(None, ge=1)
    steps: int = Field(1, ge=1)
    step_epochs: int | None = Field(None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _keep_by_default(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("keep") is data.get("budget") is None:
            return {**data, "keep": 0.3}
        return data

    @model_validator(mode="after")
    def _refuse_options_without_effect(self) -> Self:
        if self.keep is not None and self.budget is not None:
            raise ValueError("give keep or budget, not both")
        if self.tiles is not None and not self.looks_at_data:
            raise ValueError(
                f"tiles: no effect with criterion {self.criterion} and no recovery"
            )
        if self.step_epochs is not None and self.steps == 1:
            raise ValueError("step_epochs: no effect with one step")
        return self

    @property
    def looks_at_data(self) -> bool:
        """Whether training tiles are needed before training."""
        return self.criterion in LOOK_AT_DATA or self.recovery != "none"

    @property
    def tiles_looked_at(self) -> int:
        """Number of training tiles for criteria and recovery."""
        return self.tiles or PRUNING_TILES
