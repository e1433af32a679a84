"""How fast is the work of a run on this machine's devices, and what bounds it?

Images/s of the training step in each precision, compiled by XLA or not, of
prediction, of RandAugment on the host and on the device, of the input
pipeline, and of the step on more and more devices:

  python -m tools.benchmarks.devices
  python -m tools.benchmarks.devices --measures=train,scaling \
    --device_models=efficientnet-b0 --device_batch=64

GPUs and TPUs measure B0 and B7 at their own resolution; a CPU measures a B0 at
32 px, which takes minutes. Each figure is the median over the rounds, of a
process of its own that has the devices for itself. The last line is all of
them as JSON.
"""

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

from absl import app, flags

from noisy_student.config.model import PRECISIONS
from noisy_student.errors import InputError
from noisy_student.models.scaling import MODELS
from tools.benchmarks import choices, device_cases, turns
from tools.benchmarks.device_cases import Case, Found

_JITS = ("true", "false")
# Images of a device that fit into 16 GiB in float32.
_BATCHES = {"efficientnet-b0": 64, "efficientnet-b7": 4}
_CPU_SIDE, _CPU_BATCH = 32, 8

_MODELS = choices.define(
    "device_models",
    MODELS,
    "Models; default: B0 and B7, on a CPU B0.",
    optional=True,
)
_PRECISIONS = choices.define(
    "device_precisions",
    PRECISIONS,
    "Precisions; default: the first two, on GPUs all, on a CPU the first.",
    optional=True,
)
_JIT = choices.define(
    "device_jit",
    _JITS,
    "Whether XLA compiles the step; default: both, on TPUs true, on a CPU "
    "false.",
    optional=True,
)
_SIDE = flags.DEFINE_integer(
    "device_side",
    None,
    "Side of the images in pixels; default: the model's own, on a CPU 32.",
    lower_bound=32,
)
_BATCH = flags.DEFINE_integer(
    "device_batch",
    None,
    "Images in a step of each device; default: 64 of B0 and 4 of others, on a "
    "CPU 8.",
    lower_bound=1,
)
_COUNTS = choices.define_numbers(
    "device_counts",
    None,
    "Numbers of devices for scaling; default: 1, 2, 4 and so on up to all, on "
    "TPUs all, on a CPU 1 and 2 logical ones.",
)
_STEPS = flags.DEFINE_integer(
    "device_steps",
    None,
    "Steps of a turn; default: 50, on a CPU 2.",
    lower_bound=1,
)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The cases of each axis, for the devices that were found."""

    models: list[str]
    precisions: list[str]
    jits: list[str]
    counts: list[int]
    noises: list[str]
    first: Case

    @classmethod
    def of(cls, found: Found) -> "Plan":
        """Fills in what the flags leave open.

        Raises:
            app.UsageError: There are not so many devices.
        """
        on_cpu, on_tpu = found.kind == "CPU", found.kind == "TPU"
        models = _MODELS.value or [*_BATCHES][: 1 if on_cpu else 2]
        number = {"CPU": 1, "GPU": 3}.get(found.kind, 2)
        jits = ["false"] if on_cpu else ["true"] if on_tpu else [*_JITS]
        return cls(
            models,
            _PRECISIONS.value or [*PRECISIONS][:number],
            _JIT.value or jits,
            _counts(found),
            ["uncompiled" if on_tpu else "compiled", "device"],
            Case(
                side=_SIDE.value or (_CPU_SIDE if on_cpu else None),
                batch=_BATCH.value or (_CPU_BATCH if on_cpu else 0),
                devices=None if on_tpu else 1,
                steps=_STEPS.value or (2 if on_cpu else 50),
                rounds=turns.ROUNDS.value,
                threads=turns.THREADS.value,
            ),
        )

    def case(self, **changes: Any) -> Case:
        """The first case with changes, and the batch of its model."""
        changes.setdefault("compiled", self.jits[0] == "true")
        changes.setdefault("model", self.models[0])
        case = dataclasses.replace(self.first, **changes)
        batch = case.batch or _BATCHES.get(case.model, 4)
        return dataclasses.replace(case, batch=batch)

    def training(self) -> Iterator[Case]:
        """Each model in each precision, compiled and not."""
        for model in self.models:
            for precision in self.precisions:
                for jit in self.jits:
                    yield self.case(
                        model=model,
                        precision=precision,
                        compiled=jit == "true",
                    )


def _counts(found: Found) -> list[int]:
    """The numbers of devices for scaling, as the flag says or by default."""
    given = choices.numbers(_COUNTS)
    if found.kind == "CPU":  # logical ones, of any number
        return sorted({*(given or [1, 2])})
    doubled = {2**n for n in range(found.number.bit_length())}
    default = possible = {found.number}
    if found.kind == "GPU":
        default, possible = default | doubled, {*range(1, found.number + 1)}
    if not {*given} <= possible:
        whole = ", which are taken whole" if found.kind == "TPU" else ""
        raise app.UsageError(
            f"device_counts={','.join(map(str, given))}: there are "
            f"{found.number} x {found.kind}{whole}."
        )
    return sorted({*given} or default)


@dataclasses.dataclass
class Results:
    """Prints each figure when it is measured, and keeps it."""

    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def measure(
        self, what: str, function: Callable[[Case], dict], case: Case
    ) -> float:
        """Measures a case in a process of its own.

        Returns:
            Images/s; 0 where the case does not fit into memory.
        """
        try:
            figures = turns.in_process(function, case)
        except InputError as error:
            print(error, flush=True)
            figures = {"images_per_second": 0.0, "error": str(error)}
        self.rows.append({"what": what, **dataclasses.asdict(case), **figures})
        kind = "compiled" if case.compiled else ""
        side = case.side or "own"
        print(
            f"{what:>16}{case.model:>17}{case.precision:>10}{kind:>10}"
            f"{case.devices or 'all':>5} x {case.batch:<4}{side:>5} px"
            f"{figures['images_per_second']:>12,.1f} images/s",
            flush=True,
        )
        return figures["images_per_second"]


def measure_train(plan: Plan, results: Results) -> None:
    """The training step, along all axes."""
    for case in plan.training():
        results.measure("train", device_cases.train, case)


def measure_predict(plan: Plan, results: Results) -> None:
    """Prediction, in each precision."""
    for model in plan.models:
        for precision in plan.precisions:
            case = plan.case(model=model, precision=precision, compiled=False)
            results.measure("predict", device_cases.predict, case)


def measure_noise(plan: Plan, results: Results) -> None:
    """RandAugment, on the host and on the device."""
    host, device = (
        dataclasses.replace(plan.case(compiled=False, noise=form), model="")
        for form in plan.noises
    )
    results.measure("noise on host", device_cases.augment_on_host, host)
    results.measure("noise on device", device_cases.augment_on_device, device)


def measure_input(plan: Plan, results: Results) -> dict[str, Any]:
    """Which of input and step is the slower, where all devices train."""
    step = results.measure("train", device_cases.train, plan.case(devices=None))
    found = {}
    for place, form in zip(("host", "device"), plan.noises, strict=True):
        case = plan.case(devices=None, noise=form)
        read, both = (
            results.measure(f"{what}, {place}", function, case)
            for what, function in (
                ("files", device_cases.read_files),
                ("train", device_cases.train_from_files),
            )
        )
        bound = "input" if read < step else "device"
        print(f"noise_on={place}: training is bound by the {bound}.")
        found[place] = {"bound_by": bound, "input": read, "both": both}
    return {"step": step, **found}


def measure_scaling(plan: Plan, results: Results) -> dict[str, float]:
    """Speed on more devices, as a share of so many times the first's."""
    speeds = {
        count: results.measure(
            "scaling", device_cases.train, plan.case(devices=count)
        )
        for count in plan.counts
    }
    first, *_ = speeds
    if not speeds[first]:
        return {}
    efficiency = {
        str(count): round(speed * first / (speeds[first] * count), 3)
        for count, speed in speeds.items()
    }
    for count, share in efficiency.items():
        print(f"{count} devices: {share:.0%} of {count} times one's speed")
    return efficiency


MEASURES: dict[str, Callable[[Plan, Results], Any]] = {
    "train": measure_train,
    "predict": measure_predict,
    "noise": measure_noise,
    "input": measure_input,
    "scaling": measure_scaling,
}
_MEASURES = choices.define("measures", MEASURES, "What to measure.")


def main(_: list[str]) -> None:
    """Prints the table, and everything as JSON."""
    found = turns.in_process(device_cases.find)
    print(f"Devices: {found.words}.", flush=True)
    plan, results = Plan.of(found), Results()
    summary: dict[str, Any] = {}
    for name in _MEASURES.value:
        summary[name] = MEASURES[name](plan, results)
    kept = {name: value for name, value in summary.items() if value}
    print(json.dumps({"devices": found.words, **kept, "rows": results.rows}))


if __name__ == "__main__":
    app.run(main)
