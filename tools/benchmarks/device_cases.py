"""What `devices.py` measures, each in a process that holds the devices alone.

A GPU's memory and a TPU belong to the first process that uses them. So the
functions here are called in processes of their own, one after the other.
"""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable, Iterator

import tensorflow as tf

from noisy_student import memory, models, noise
from noisy_student.config import ModelConfig, NoiseConfig, RunConfig
from noisy_student.data import noised
from noisy_student.methods import supervised
from noisy_student.training import distribution, hardware, loop
from tools.benchmarks import growth, input_pipeline, photographs, turns

_SMALL_SIDE = 64  # up to it, the network's variant for small images
_NOISED_SIDE = 224
_NOISE = NoiseConfig("v1", randaug_mag=15)
# The host is timed over so many times as many batches as the devices, so that
# the few that lie ready at the start do not count.
_HOSTS_STEPS = 20


@dataclasses.dataclass(frozen=True)
class Case:
    """What is timed, and on what.

    Attributes:
        model: Its name.
        precision: In which features are computed.
        compiled: Whether XLA compiles the training step.
        side: Of the images, in pixels; None is the model's own.
        batch: Images in a step of each device.
        devices: Number of devices; None takes all.
        steps: Steps of a turn.
        rounds: Turns, of which the median counts.
        threads: Of the input pipeline.
        noise: The program of RandAugment, one of `noise.FORMS`.
    """

    model: str = "efficientnet-b0"
    precision: str = "float32"
    compiled: bool = False
    side: int | None = None
    batch: int = 8
    devices: int | None = 1
    steps: int = 2
    rounds: int = 3
    threads: int = 2
    noise: str = "compiled"

    def config(self) -> ModelConfig:
        """The model that is measured."""
        small = self.side is not None and self.side <= _SMALL_SIDE
        config = growth.model_config(self.model, self.side, small)
        return dataclasses.replace(config, precision=self.precision)


@dataclasses.dataclass(frozen=True)
class Found:
    """The devices of this machine: their kind and number, and in words."""

    kind: str
    number: int
    words: str


def find() -> Found:
    """Returns what a run with its default flags would use."""
    strategy = _start(None)
    devices = {
        tf.DeviceSpec.from_string(name).device_type
        for name in strategy.extended.worker_devices
    }
    return Found(
        devices.pop(),
        strategy.num_replicas_in_sync,
        hardware.description(strategy, num_workers=1),
    )


def _start(number: int | None) -> tf.distribute.Strategy:
    """Takes so many devices: a TPU's cores are all or none.

    Args:
        number: Of GPUs, or of logical CPUs; None takes all GPUs, or one CPU.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.set_visible_devices(gpus[:number], "GPU")
    elif number and number > 1 and not tf.config.list_physical_devices("TPU"):
        [cpu] = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * number
        )
        return distribution.make_devices(RunConfig("mirrored")).strategy
    return distribution.make_devices(RunConfig(use_tpu=None)).strategy


def train(case: Case) -> dict[str, float]:
    """Measures whole training steps on a batch in memory."""
    strategy = _start(case.devices)
    return _timed(case, strategy, _training(case, strategy, _in_memory(case)))


def train_from_files(case: Case) -> dict[str, float]:
    """Measures training steps whose images are decoded meanwhile."""
    strategy = _start(case.devices)
    side = models.input_side(case.config())
    prepare: Callable = loop.as_it_is
    if case.noise == "device":
        image_format = input_pipeline.image_format(side)
        prepare = noised.in_step(image_format, _NOISE)
    read = functools.partial(_files, case, case.batch)
    return _timed(case, strategy, _training(case, strategy, read, prepare))


def read_files(case: Case) -> dict[str, float]:
    """Measures how fast the host makes the batches of all devices."""
    batch = case.batch * _start(case.devices).num_replicas_in_sync
    dataset = _files(case, batch)
    turn = turns.over_batches(dataset, _HOSTS_STEPS * case.steps, batch)
    return _median([turn() for _ in range(case.rounds)])


def _files(case: Case, batch_size: int, *_) -> tf.data.Dataset:
    """Batches of photographs, with noise unless the device adds it."""
    return input_pipeline.our_pipeline(
        photographs.jpegs(*input_pipeline.PHOTOGRAPH, 64),
        _NOISE.augment_name,
        case.threads,
        models.input_side(case.config()),
        batch_size,
        case.noise,
    )


def predict(case: Case) -> dict[str, float]:
    """Measures a teacher's predictions of a batch in memory."""
    strategy = _start(case.devices)
    with strategy.scope():
        model = models.build_model(case.config())

    def logits(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.reduce_sum(model(batch["image"], training=False))

    run = _over(strategy, _in_memory(case), logits, case.steps)
    return _timed(case, strategy, run)


def augment_on_device(case: Case) -> dict[str, float]:
    """Measures RandAugment as a part of the step, on the devices."""
    strategy = _start(case.devices)
    layer = _rand_augment(case)

    def corner(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        images = layer(batch["image"], seed=tf.stack([batch["step"], 0]))
        return tf.reduce_sum(tf.cast(images[:, 0, 0], tf.float32))

    run = _over(strategy, _images(case), corner, case.steps)
    return _timed(case, strategy, run)


def augment_on_host(case: Case) -> dict[str, float]:
    """Measures RandAugment in the input pipeline, with all threads."""
    layer, batches = _rand_augment(case), _images(case)
    dataset = batches(tf.distribute.InputContext()).map(
        lambda batch: layer(batch["image"], seed=tf.stack([batch["step"], 0])),
        num_parallel_calls=case.threads,
    )
    turn = turns.over_batches(
        turns.prefetched(dataset), _HOSTS_STEPS * case.steps, case.batch
    )
    return _median([turn() for _ in range(case.rounds)])


Batches = Callable[[tf.distribute.InputContext], tf.data.Dataset]


def _in_memory(case: Case) -> Batches:
    side = models.input_side(case.config())
    images, labels = growth.images_and_labels(side, case.batch)
    batch = {
        "image": images,
        "label": labels,
        "label_weight": tf.ones(case.batch),
    }
    return lambda _: tf.data.Dataset.from_tensors(batch).repeat()


def _images(case: Case) -> Batches:
    """Photographs, and the number of each batch, `step`."""
    side = case.side or _NOISED_SIDE
    images = tf.constant(photographs.windows(side, case.batch))
    return lambda _: tf.data.Dataset.counter().map(
        lambda step: {"image": images, "step": step}
    )


def _rand_augment(case: Case) -> noise.RandAugment:
    side = case.side or _NOISED_SIDE
    small = side <= _SMALL_SIDE
    limits = (side / 8, side / 8) if small else (100.0, 40.0)
    return noise.RandAugment(2, _NOISE.randaug_mag, *limits, form=case.noise)


def _training(
    case: Case,
    strategy: tf.distribute.Strategy,
    batches: Batches,
    prepare: Callable = loop.as_it_is,
) -> Callable[[], object]:
    """Returns calls of the training loop."""
    with strategy.scope():
        train_loop = growth.make_loop(
            case.config(), supervised.Supervised(0.1), case.compiled, prepare
        )
        iterator = iter(strategy.distribute_datasets_from_function(batches))
    return functools.partial(train_loop, iterator, case.steps)


def _over(
    strategy: tf.distribute.Strategy,
    batches: Batches,
    function: Callable[[dict[str, tf.Tensor]], tf.Tensor],
    steps: int,
) -> Callable[[], object]:
    """Returns calls of a function of so many batches, on all replicas."""

    @tf.function
    def step(iterator: Iterator) -> tf.Tensor:
        values = strategy.run(function, args=(next(iterator),))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)

    iterator = iter(strategy.distribute_datasets_from_function(batches))
    return lambda: [step(iterator) for _ in range(steps)][-1].numpy()


def _timed(
    case: Case,
    strategy: tf.distribute.Strategy,
    run: Callable[[], object],
) -> dict[str, float]:
    """Times turns; the first call traces and compiles."""
    begin = time.perf_counter()
    work = f"{case.batch} images of {case.side or 'its own'} px of {case.model}"
    with strategy.scope(), memory.enough(work, "lower device_batch"):
        run()
        seconds = time.perf_counter() - begin
        images = case.steps * case.batch * strategy.num_replicas_in_sync
        run()
        found = [
            turns.images_per_second(run, images) for _ in range(case.rounds)
        ]
    return _median(found) | {"first_call_seconds": round(seconds, 1)}


def _median(speeds: list[float]) -> dict[str, float]:
    return {"images_per_second": round(statistics.median(speeds), 1)}
