"""Which devices train: the only place that makes a strategy."""

import contextlib
import dataclasses
import os
import re
import socket
import sys
from collections.abc import Iterator

import tensorflow as tf
from absl import logging

from noisy_student import preemption
from noisy_student.config import ModelConfig, RunConfig
from noisy_student.errors import InputError, WorkerLostError
from noisy_student.training import cluster, compilation, hardware, strategies

_CONNECT_SECONDS = 10
# TensorFlow's messages when a process no longer answers.
_LOST_WORKER = re.compile(
    r".*(Collective ops is aborted|unhealthy|heartbeat|Connection reset|"
    r"Socket closed|failed to connect).*"
)


@dataclasses.dataclass(frozen=True)
class Devices:
    """The devices of a run, and the place of this process among its workers.

    Attributes:
        strategy: the strategy that trains on all devices of the run.
        worker: index of this process; 0 is the chief, which alone writes
            what the workers make together.
        num_workers: number of processes that run the same command.
        local: the strategy of this process's devices, to predict with; None
            where that is `strategy`. Neither may be used in the other's
            scope.

    Raises:
        ValueError: see `strategies.check`.
    """

    strategy: tf.distribute.Strategy
    worker: int = 0
    num_workers: int = 1
    local: tf.distribute.Strategy | None = None

    def __post_init__(self) -> None:
        strategies.check(self.strategy, self.num_workers)

    @property
    def is_chief(self) -> bool:
        """Whether this process is the chief."""
        return self.worker == 0

    @property
    def own(self) -> tf.distribute.Strategy:
        """The strategy of this process's devices."""
        return self.local or self.strategy

    @property
    def host_compiles(self) -> bool:
        """Whether XLA compiles for the hosts' CPUs.

        Beside a TPU it does not (tensorflow/tensorflow#58934).
        """
        is_tpu = isinstance(self.strategy, tf.distribute.TPUStrategy)
        return not (is_tpu or tf.config.list_physical_devices("TPU"))

    def agree(self, value: int) -> int:
        """Returns the chief's value on every worker; waits for all of them."""
        return self._sum_over_workers(value if self.is_chief else 0)

    def holds_on_all(self, value: bool) -> bool:
        """Returns whether `value` is true on all workers; waits for them."""
        return self._sum_over_workers(int(value)) == self.num_workers

    def _sum_over_workers(self, value: int) -> int:
        """Returns the sum of a number that each worker has."""
        if self.num_workers == 1:
            return value
        local = self.strategy.num_replicas_in_sync // self.num_workers

        def of_replica(context: tf.distribute.ReplicaContext) -> tf.Tensor:
            # Only the first replica of each worker counts.
            first = context.replica_id_in_sync_group % local == 0
            return tf.constant(value if first else 0, tf.int64)

        values = self.strategy.experimental_distribute_values_from_function(
            of_replica
        )
        sum_of = tf.distribute.ReduceOp.SUM
        return int(self.strategy.reduce(sum_of, values, axis=None))

    @contextlib.contextmanager
    def watching_workers(self) -> Iterator[None]:
        """Turns TensorFlow's errors about lost workers into our own.

        Raises:
            WorkerLostError: another worker has ended, or cannot be reached.
        """
        try:
            yield
        except tf.errors.OpError as error:
            found = _LOST_WORKER.search(error.message)
            if self.num_workers == 1 or not found:
                raise
            raise WorkerLostError(
                f"Worker {self.worker} of {self.num_workers} has lost another "
                f"one ({found[0].strip()}). Start the same command on all of "
                "them: the run goes on from its newest checkpoint."
            ) from error

    @contextlib.contextmanager
    def failing_together(self) -> Iterator[None]:
        """Raises on every worker if the block fails on one of them.

        Every worker enters the block, which holds no communication between
        them, and leaves it when all have finished.

        Raises:
            InputError: the block failed on another worker. Where it failed on
                this one, its own error is raised.
        """
        failure = None
        try:
            yield
        except Exception as error:
            failure = error
        if not self.holds_on_all(failure is None):
            raise failure or InputError(
                f"Worker {self.worker} of {self.num_workers} ends because "
                "another one has failed, whose message says why."
            )

    def wait_for_all(self) -> None:
        """Returns when all workers have called this."""
        self.agree(0)


def make_devices(
    run: RunConfig,
    several_workers: bool = True,
    trained: ModelConfig | None = None,
) -> Devices:
    """Makes the strategy that `distribution` names, and says which it is.

    - `one_device`: the first GPU, or the CPU.
    - `mirrored`: all GPUs of this machine, or all logical CPUs where it has
      none.
    - `multi_worker`: the devices of all processes that `TF_CONFIG` names;
      waits for these.
    - `tpu`: the cores of a TPU.
    - `auto`: multi_worker where `TF_CONFIG` names several processes, else,
      where `use_tpu` is None, a TPU if there is one, else mirrored with more
      than one GPU, else one_device.

    Call this before any other use of TensorFlow.

    Args:
        run: has `distribution`, the TPU's name and `jit_compile`.
        several_workers: whether `auto` looks at `TF_CONFIG`.
        trained: the model that they will train; None where they do not.

    Raises:
        ValueError: there are no such devices, they cannot train as asked, or
            TF_CONFIG is broken.
    """
    devices = _make_devices(run, several_workers)
    if reason := hardware.why_unused():
        logging.warning("%s", reason)
    line = hardware.description(devices.strategy, devices.num_workers)
    if trained is not None:
        precision = trained.compute_precision
        compilation.check_precision(devices.strategy, precision)
        compiled = compilation.is_compiled(devices.strategy, run.jit_compile)
        line += f", {precision}, {'' if compiled else 'not '}compiled"
    if devices.is_chief:
        print(f"Devices: {line}.", file=sys.stderr, flush=True)
    return devices


def _make_devices(run: RunConfig, several_workers: bool) -> Devices:
    name = run.distribution
    if name == "auto" and several_workers and cluster.is_given():
        name = "multi_worker"
    if name == "auto" and run.use_tpu is None and _has_tpu():
        name = "tpu"
    if name == "multi_worker":
        return _multi_worker(cluster.read())
    if name == "tpu":
        return Devices(_tpu_strategy(run))
    found = tf.config.list_logical_devices("GPU")
    local = [d.name for d in found or tf.config.list_logical_devices("CPU")]
    if name == "mirrored" or (name == "auto" and len(found) > 1):
        return Devices(tf.distribute.MirroredStrategy(local))
    return Devices(tf.distribute.OneDeviceStrategy(local[0]))


def _multi_worker(workers: cluster.Cluster) -> Devices:
    count = len(workers.addresses)
    others = [a for i, a in enumerate(workers.addresses) if i != workers.index]
    if others:
        # The strategy waits without a word.
        print(
            f"Worker {workers.index} of {count} waits for {', '.join(others)}.",
            file=sys.stderr,
            flush=True,
        )
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise WorkerLostError(
            f"Worker {workers.index} of {count} has not met {', '.join(others)}"
            ". Start the same command on all of them."
        ) from error
    preemption.watch_again()
    names = strategy.extended.worker_devices
    local = (
        tf.distribute.MirroredStrategy(names)
        if len(names) > 1
        else tf.distribute.OneDeviceStrategy(names[0])
    )
    return Devices(strategy, workers.index, count, local)


def _has_tpu() -> bool:
    """Whether the environment names a TPU, or this machine has one."""
    named = os.environ.get("TPU_NAME")
    return bool(named or tf.config.list_physical_devices("TPU"))


def _tpu_strategy(run: RunConfig) -> tf.distribute.TPUStrategy:
    """Connects to a TPU.

    Raises:
        ValueError: there is no such TPU.
    """
    name = run.tpu or os.environ.get("TPU_NAME") or "local"
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            name, zone=run.tpu_zone, project=run.gcp_project
        )
        if address := resolver.master().removeprefix("grpc://"):
            # TensorFlow itself would try to connect for ever.
            host, _, port = address.rpartition(":")
            socket.create_connection(
                (host, int(port)), _CONNECT_SECONDS
            ).close()
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (
        ImportError,  # of Google's client, which finds a TPU by its name
        OSError,
        ValueError,
        RuntimeError,
        tf.errors.OpError,
    ) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"There is no TPU {name!r}: {reason} Set tpu to its name or to "
            "grpc://HOST:8470, or use another distribution."
        ) from error


def check_batch_size(
    name: str, batch_size: int, replicas: int, parts: int = 1
) -> None:
    """Refuses a global batch that the replicas cannot share equally.

    Args:
        name: name of the setting, for the message.
        batch_size: number of images, over all replicas.
        replicas: number of replicas.
        parts: number of pieces, `accumulation_steps`, that each replica
            computes one after the other.

    Raises:
        ValueError: naming the setting.
    """
    if batch_size % (replicas * parts):
        times = f" x {parts} accumulation_steps" if parts > 1 else ""
        raise ValueError(
            f"{name} must be divisible by the {replicas} replicas{times}; got "
            f"{batch_size}."
        )
