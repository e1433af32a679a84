"""Filtering and balancing as an Apache Beam pipeline.

The same two phases by the same functions, a part at a time, on whatever
runner there is. Workers need the images and directories under the same paths
as the machine that starts the pipeline, and this package installed.
"""

import functools
from collections.abc import Sequence

import numpy as np

from noisy_student.config import DataConfig
from noisy_student.data import sources
from noisy_student.data.open import open_task
from noisy_student.pseudo_labels import filter as filtering
from noisy_student.pseudo_labels import parts
from noisy_student.pseudo_labels.predictions import Part
from noisy_student.pseudo_labels.select import Balance


def check(runner: str, arguments: Sequence[str]) -> None:
    """Refuses to go on without Apache Beam, or with unknown names.

    Args:
        runner: of Beam.
        arguments: more of Beam's options.

    Raises:
        ValueError: Beam is not installed, has no such runner, or an argument
            is no option.
    """
    try:
        from apache_beam import runners
    except ImportError as error:
        raise ValueError(
            "runner needs Apache Beam: pip install -r requirements-beam.txt."
        ) from error
    runners.create_runner(runner)
    wrong = [text for text in arguments if not text.startswith("--")]
    if wrong:
        raise ValueError(
            f"beam_args must be options --NAME=VALUE; got {', '.join(wrong)}."
        )


def run(
    job: parts.FilterJob,
    data: DataConfig,
    data_seed: int,
    runner: str,
    arguments: Sequence[str] = (),
) -> None:
    """Counts and writes all parts; ends when they are written.

    Args:
        job: what to do; `filter.finish` sums it up afterwards.
        data: names the images, which every worker opens by itself.
        data_seed: chooses them, see `open.open_task`.
        runner: of Beam, such as DirectRunner or FlinkRunner.
        arguments: more of Beam's options, such as --flink_master=HOST:PORT.

    Raises:
        InputError: see `filter.choose_balance` and `parts.write_part`.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    options = PipelineOptions([f"--runner={runner}", *arguments])
    with beam.Pipeline(options=options) as pipeline:
        all_parts = (
            pipeline
            | "Parts" >> beam.Create(job.files.division.parts())
            | "Spread" >> beam.Reshuffle()
        )
        balance = (
            all_parts
            | "Count" >> beam.Map(functools.partial(parts.count_part, job))
            | "Sum" >> beam.CombineGlobally(_sum)
            | "Choose" >> beam.Map(functools.partial(_choose, job))
        )
        _ = all_parts | "Write" >> beam.Map(
            functools.partial(_write, job, data, data_seed),
            beam.pvalue.AsSingleton(balance),
        )


def _sum(counts: Sequence[np.ndarray]) -> np.ndarray:
    return np.sum(list(counts), axis=0)


def _choose(job: parts.FilterJob, counts: np.ndarray) -> Balance:
    balance = filtering.choose_balance(job, counts)
    filtering.claim(job)
    return balance


def _write(
    job: parts.FilterJob,
    data: DataConfig,
    data_seed: int,
    part: Part,
    balance: Balance,
) -> None:
    source = _open(data, data_seed).require_unlabeled()
    parts.write_part(job, Part(*part), balance, source)


@functools.cache
def _open(data: DataConfig, data_seed: int) -> sources.TaskData:
    """The images, opened once a worker."""
    return open_task(data, data_seed)
