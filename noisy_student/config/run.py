"""Settings of how a run goes."""

import dataclasses

from noisy_student.config.settings import Settings, setting

DISTRIBUTIONS = ("auto", "one_device", "mirrored", "multi_worker", "tpu")


@dataclasses.dataclass(frozen=True)
class RunConfig(Settings):
    """Devices, checkpoints and evaluation, without effect on what is learnt.

    `distribution` is tpu where `use_tpu` or `tpu` ask for it.
    """

    distribution: str = setting(
        "auto",
        "one_device: one GPU, or the CPU; mirrored: all GPUs of this machine; "
        "multi_worker: this is one of several processes that TF_CONFIG lists; "
        "tpu; auto: multi_worker if TF_CONFIG lists several workers, else "
        "mirrored if there are several GPUs, else one_device.",
        choices=DISTRIBUTIONS,
    )
    use_tpu: bool = setting(False, "The same as --distribution=tpu.")
    tpu: str | None = setting(
        None,
        "Name of the TPU, its address grpc://HOST:8470, or local. Implies "
        "--use_tpu. Default: what TPU_NAME says, or else local.",
    )
    tpu_zone: str | None = setting(
        None, "Zone of the TPU. Default: this machine's."
    )
    gcp_project: str | None = setting(
        None, "Google Cloud project of the TPU. Default: this machine's."
    )
    eval_batch_size: int = setting(
        256,
        "Images per step of evaluation and prediction, over all replicas.",
        above=0,
    )
    steps_per_eval: int = setting(
        0,
        "Training steps between evaluations of the averaged weights; 0: only "
        "at the end.",
        at_least=0,
    )
    save_checkpoints_steps: int = setting(
        1000, "Training steps between checkpoints.", above=0
    )
    keep_checkpoint_max: int = setting(
        5, "Checkpoints to keep; older ones are deleted.", above=0
    )
    iterations_per_loop: int = setting(
        100,
        "Training steps in one call on the device, between two updates of "
        "progress bar and summaries.",
        above=0,
    )

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
