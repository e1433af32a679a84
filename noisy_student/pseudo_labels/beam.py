"""Filtering and balancing as an Apache Beam pipeline.

A share at a time on any of Beam's runners, by the methods of `FilterJob`.
Workers need the images and the directories under the same paths as the
machine that starts the pipeline, and this package installed.
"""

import functools
from collections.abc import Sequence

from noisy_student.config import DataConfig
from noisy_student.data import sources
from noisy_student.data.raw import open_to_label
from noisy_student.pseudo_labels.filter import FilterJob
from noisy_student.pseudo_labels.predictions import Share
from noisy_student.pseudo_labels.select import Balance


def check(runner: str, arguments: Sequence[str]) -> None:
    """Refuses to go on without Apache Beam, or with unknown names.

    Args:
        runner: the name of one of Beam's runners.
        arguments: further options of Beam.

    Raises:
        ValueError: Beam is not installed or has no such runner, or an
            argument is not an option.
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
    job: FilterJob,
    data: DataConfig,
    data_seed: int,
    runner: str,
    arguments: Sequence[str] = (),
) -> None:
    """Counts and writes all shares, and returns when they are written.

    Args:
        job: the work; call its `finish` afterwards.
        data: names the images, which every worker opens itself.
        data_seed: chooses the images, see `raw.open_to_label`.
        runner: one of Beam's, such as DirectRunner or FlinkRunner.
        arguments: further options, such as --flink_master=HOST:PORT.

    Raises:
        InputError: see `FilterJob`.
    """
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    options = PipelineOptions([f"--runner={runner}", *arguments])
    with beam.Pipeline(options=options) as pipeline:
        shares = (
            pipeline
            | "Shares" >> beam.Create(job.predictions.shares())
            | "Spread" >> beam.Reshuffle()
        )
        balance = (
            shares
            | "Count" >> beam.Map(job.counts.of_share)
            | "Sum" >> beam.CombineGlobally(sum)
            | "Choose" >> beam.Map(job.choose)
        )
        _ = shares | "Write" >> beam.Map(
            functools.partial(_write, job, data, data_seed),
            beam.pvalue.AsSingleton(balance),
        )


def _write(
    job: FilterJob,
    data: DataConfig,
    data_seed: int,
    share: Share,
    balance: Balance,
) -> None:
    images = _open(data, data_seed).require_unlabeled()
    job.write([Share(*share)], images, balance)


@functools.cache
def _open(data: DataConfig, data_seed: int) -> sources.TaskData:
    """Opens the images, once per worker."""
    return open_to_label(data, data_seed)
