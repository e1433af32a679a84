"""Which seeds a comparison runs, and where: the flags that several share."""

from absl import flags

_LARGEST = 2**31 - 1  # of main.py's --seed

SEEDS = flags.DEFINE_list(
    "seeds", ["0", "1", "2"], "Seeds to run, each of its own labelled images."
)
RUNS_DIR = flags.DEFINE_string(
    "runs_dir",
    None,
    "Where the run directories are; default: runs/digits_seeds of "
    "digits_seeds, runs/compare of compare_methods.",
)


def chosen() -> list[int]:
    """The seeds as numbers.

    Raises:
        ValueError: there is none, or one is no such number or there twice.
    """
    given = ",".join(SEEDS.value)
    try:
        numbers = [int(text) for text in SEEDS.value]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 0 or max(numbers) > _LARGEST:
        raise ValueError(
            f"seeds must be numbers in [0, {_LARGEST}], as 0,1,2; got "
            f"{given!r}."
        )
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"seeds must be different; got {given!r}.")
    return numbers
