"""Settings of how a run goes."""

import dataclasses

from noisy_student.config.settings import Settings, setting

DISTRIBUTIONS = ("auto", "one_device", "mirrored", "multi_worker", "tpu")


@dataclasses.dataclass(frozen=True)
class RunConfig(Settings):
    """Devices, checkpoints and evaluation, without effect on what is learnt.

    `distribution` is tpu where `use_tpu` or `tpu` ask for it.
    """

    distribution: str = setting("auto", choices=DISTRIBUTIONS)
    """one_device: one GPU, or the CPU; mirrored: all GPUs of this machine;
    multi_worker: this is one of several processes that TF_CONFIG lists; tpu;
    auto: multi_worker if TF_CONFIG lists several workers, else mirrored if
    there are several GPUs, else one_device."""

    use_tpu: bool | None = setting(False, original=None)
    """The same as --distribution=tpu. None, the default for the original's
    data: with --distribution=auto, a TPU where there is one."""

    tpu: str | None = setting(None)
    """Name of the TPU, its address grpc://HOST:8470, or local. Implies
    --use_tpu. Default: what TPU_NAME says, or else local."""

    tpu_zone: str | None = setting(None)
    """Zone of the TPU. Default: this machine's."""

    gcp_project: str | None = setting(None)
    """Google Cloud project of the TPU. Default: this machine's."""

    jit_compile: str = setting("auto", choices=("auto", "true", "false"))
    """Let XLA compile each device's training step. auto: on GPUs and TPUs; on
    CPUs XLA's convolutions are slow."""

    eval_batch_size: int = setting(256, above=0)
    """Images per step of evaluation and prediction, over all replicas."""

    steps_per_eval: int | None = setting(None, original=0, at_least=0)
    """Training steps between evaluations of the averaged weights: on the
    validation images, or on the test images where there are none; 0: only at
    the end. Default: 0, or with validation images a twentieth of all steps."""

    save_checkpoints_steps: int = setting(1000, above=0)
    """Training steps between checkpoints."""

    keep_checkpoint_max: int | None = setting(5, above=0, none=(0,))
    """Checkpoints to keep; older ones are deleted. 0 keeps all."""

    iterations_per_loop: int = setting(100, above=0)
    """Training steps in one call on the device, between two updates of the
    progress bar."""

    preemption_check_steps: int = setting(10, above=0)
    """Training steps after which SIGTERM is heard at the latest; it is looked
    for that often, which waits for the devices."""

    log_step_count_steps: int | None = setting(None, above=0)
    """Training steps between two entries of the training metrics for
    TensorBoard, which are means over these steps. Default: an entry for each
    call of --iterations_per_loop."""

    dry_run: bool = setting(False)
    """Check everything, say how many images there are of each class and what
    each training would take in steps, time and disk, and stop."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.use_tpu or self.tpu):
            return
        if self.distribution not in ("auto", "tpu"):
            raise ValueError(
                "use_tpu and tpu do not go with distribution="
                f"{self.distribution}; leave one of them out."
            )
        self._resolve(distribution="tpu")
