"""How the input pipelines use memory and threads."""

from absl import flags

from noisy_student import config

_SHUFFLE_BUFFER_SIZE = flags.DEFINE_integer(
    "shuffle_buffer_size",
    10_000,
    "Encoded images among which the next one is drawn; as many photographs "
    "of 100 KB take 1 GB.",
)
_NUM_PARALLEL_CALLS = flags.DEFINE_integer(
    "num_parallel_calls",
    None,
    "Threads that decode and noise images; default: one a core.",
)
_CACHE_MIB = flags.DEFINE_integer(
    "cache_mib",
    1024,
    "Decoded small images (up to 64 pixels) stay in memory where all of a "
    "source's take no more MiB than this.",
)


def input_config() -> config.InputConfig:
    """The group as a dataclass."""
    return config.InputConfig(
        shuffle_buffer_size=_SHUFFLE_BUFFER_SIZE.value,
        num_parallel_calls=_NUM_PARALLEL_CALLS.value,
        cache_mib=_CACHE_MIB.value,
    )
