"""What the original program notes of its filtering, in files of its own.

Nothing here reads them: people's scripts do. Classes are numbers from 0 on,
as text.
"""

from collections.abc import Iterable, Sequence

from etils import epath

from noisy_student.files import writing
from noisy_student.pseudo_labels.layout import LabelFiles
from noisy_student.pseudo_labels.stats import PseudoLabelStats
from noisy_student.pseudo_labels.write import Tally


def write_thresholds(
    directory: epath.Path,
    thresholds: Iterable[float],
    totals: Iterable[int],
) -> None:
    """Writes `threshold.json`: {class: [threshold, images at or above it]}.

    Args:
        directory: the output directory of filtering.
        thresholds: the least probability kept, by class.
        totals: the images at or above it, by class.
    """
    pairs = zip(thresholds, totals, strict=True)
    chosen = {
        str(label): [float(threshold), int(total)]
        for label, (threshold, total) in enumerate(pairs)
    }
    writing.write_json(directory / "threshold.json", chosen, indent=None)


def write_stats(files: LabelFiles, result: PseudoLabelStats) -> None:
    """Writes `threshold.json`, and `stats/`: records by class.

    Args:
        files: those of the records, all of which are written.
        result: the sum of all shares.
    """
    write_thresholds(files.output_dir, result.threshold, result.above_threshold)
    directory = files.output_dir / "stats"
    for share in files.predictions.shares():
        tally = Tally.load(files.tally(share))
        records = _by_class([written for _, written, *_ in tally.per_class])
        name = f"stats_{share.shard:05d}_{share.worker}.json"
        writing.write_json(directory / name, records, indent=None)
    records = _by_class(result.records_per_class)
    final = {
        "cat_count": records,
        "cat_sorted_pairs": sorted(records.items(), key=lambda pair: -pair[1]),
        "total_cnt": result.records,
    }
    writing.write_json(directory / "final_stats.json", final, indent=None)


def _by_class(numbers: Sequence[int]) -> dict[str, int]:
    """Leaves out the classes that have none, as the original does."""
    return {str(label): n for label, n in enumerate(numbers) if n}
