"""Which devices train: the one place that makes a strategy."""

import contextlib
import dataclasses
import functools
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator

import tensorflow as tf

from noisy_student import preemption
from noisy_student.config import RunConfig
from noisy_student.errors import WorkerLostError
from noisy_student.training import cluster

_CONNECT_SECONDS = 10
# What TensorFlow says when a process does not answer any more.
_LOST_WORKER = re.compile(
    r".*(Collective ops is aborted|unhealthy|heartbeat|Connection reset|"
    r"Socket closed|failed to connect).*"
)


@dataclasses.dataclass(frozen=True)
class Devices:
    """The devices of a run, and this process' place among its workers.

    Attributes:
        strategy: that trains on them.
        worker: number of this process; 0 is the chief, which alone writes.
        num_workers: processes that run the same command.
        local: the strategy of this process' own devices, to predict with;
            one must not be in the scope of the other.
    """

    strategy: tf.distribute.Strategy
    worker: int = 0
    num_workers: int = 1
    local: tf.distribute.Strategy | None = None

    @property
    def is_chief(self) -> bool:
        """Whether this process writes what the workers make together."""
        return self.worker == 0

    @property
    def own(self) -> tf.distribute.Strategy:
        """The strategy of this process' own devices."""
        return self.local or self.strategy

    def agree(self, value: int) -> int:
        """The chief's value, on every worker; waits for all of them."""
        if self.num_workers == 1:
            return value

        own = value if self.is_chief else 0
        return int(self._sum_over_workers(tf.constant(own, tf.int64)))

    def holds_on_all(self, value: bool) -> bool:
        """Whether something holds on every worker; waits for all of them."""
        if self.num_workers == 1:
            return value
        total = self._sum_over_workers(tf.constant(int(value), tf.int64))
        return int(total) == self.num_workers

    @functools.cached_property
    def _sum_over_workers(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """The sum of an integer of each worker; traced once."""

        def of_replica(value: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # One of each worker's replicas has it, so that it counts once.
            local = self.strategy.num_replicas_in_sync // self.num_workers
            first = context.replica_id_in_sync_group % local == 0
            counted = tf.where(first, value, tf.zeros_like(value))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, counted)

        @tf.function
        def total(value: tf.Tensor) -> tf.Tensor:
            results = self.strategy.run(of_replica, args=(value,))
            return self.strategy.experimental_local_results(results)[0]

        return total

    @contextlib.contextmanager
    def watching_workers(self) -> Iterator[None]:
        """Says which run ended where another worker of it is lost.

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

    def wait_for_all(self) -> None:
        """Returns when every worker has come here."""
        self.agree(0)


def make_devices(run: RunConfig, several_workers: bool = True) -> Devices:
    """Finds the devices that `distribution` names.

    `one_device` is the first GPU, or the CPU; `mirrored` all GPUs of this
    machine, or all logical CPUs where it has none; `multi_worker` those of
    all processes that `TF_CONFIG` names, for which it waits; `tpu` a TPU's
    cores; `auto` is multi_worker where `TF_CONFIG` names several processes,
    and else mirrored with more than one GPU.

    Call before any other use of TensorFlow.

    Args:
        run: names them.
        several_workers: whether `auto` looks at `TF_CONFIG`.

    Raises:
        ValueError: there are no such devices, or TF_CONFIG is broken.
    """
    name = run.distribution
    if name == "auto" and several_workers and cluster.is_given():
        name = "multi_worker"
    if name == "multi_worker":
        return _multi_worker(cluster.read())
    if name == "tpu":
        return Devices(_tpu_strategy(run))
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        return Devices(tf.distribute.MirroredStrategy(_local_devices()))
    return Devices(tf.distribute.OneDeviceStrategy(_local_devices()[0]))


def _local_devices() -> list[str]:
    devices = tf.config.list_logical_devices("GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    return [device.name for device in devices]


def _multi_worker(workers: cluster.Cluster) -> Devices:
    count = len(workers.addresses)
    others = [a for i, a in enumerate(workers.addresses) if i != workers.index]
    if others:
        # The strategy waits in silence.
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
    local = strategy.extended.worker_devices
    return Devices(
        strategy,
        workers.index,
        count,
        tf.distribute.MirroredStrategy(local)
        if len(local) > 1
        else tf.distribute.OneDeviceStrategy(local[0]),
    )


def _tpu_strategy(run: RunConfig) -> tf.distribute.TPUStrategy:
    """Connects to a TPU.

    Raises:
        ValueError: there is none.
    """
    name = run.tpu or os.environ.get("TPU_NAME") or "local"
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            name, zone=run.tpu_zone, project=run.gcp_project
        )
        if resolver.master():
            # The connection itself would be tried for ever.
            _check_reachable(resolver.master())
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ValueError(
            f"There is no TPU {name!r}: {reason} Set tpu to its name or to "
            "grpc://HOST:8470, or use another distribution."
        ) from error


def _check_reachable(address: str) -> None:
    host, _, port = address.removeprefix("grpc://").rpartition(":")
    socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()


def check_batch_size(
    name: str, batch_size: int, replicas: int, parts: int = 1
) -> None:
    """Refuses a global batch that the replicas cannot share equally.

    Args:
        name: of the flag, for the message.
        batch_size: over all replicas.
        replicas: of the strategy.
        parts: that each replica computes one after the other.

    Raises:
        ValueError: naming the flag `name`.
    """
    if batch_size % (replicas * parts):
        times = f" x {parts} accumulation_steps" if parts > 1 else ""
        raise ValueError(
            f"{name} must be divisible by the {replicas} replicas{times}; got "
            f"{batch_size}."
        )
