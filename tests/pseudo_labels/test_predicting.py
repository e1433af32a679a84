"""Predictions come in the images' order, whatever devices make them."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from noisy_student import pseudo_labels
from noisy_student.errors import InputError
from noisy_student.pseudo_labels.predicting import in_order
from tests import scripts, workers
from tests.pseudo_labels import flat
from tests.pseudo_labels.flat import (
    MADE_FROM,
    expected,
    files_in,
    make_source,
    predictor,
    read,
)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "num_shards", [pytest.param(1, marks=pytest.mark.slow), 3]
)
def test_predictions_keep_the_order_of_the_images(
    tmp_path, num_shards, workers, replicas
):
    files = files_in(tmp_path, num_shards, workers)
    strategy = tf.distribute.MirroredStrategy(
        [f"CPU:{index}" for index in range(replicas)]
    )
    with strategy.scope():
        pseudo_labels.predict(
            predictor(), make_source(11), files, files.shares(), MADE_FROM
        )
    for shard in range(num_shards):
        numbers = np.arange(shard, 11, num_shards)
        np.testing.assert_allclose(
            read(files, shard), expected(numbers), rtol=1e-5
        )
    assert files.missing() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["four devices", "two workers"])
def test_the_order_is_that_of_one_device(kind, tmp_path):
    command = "-m", "tests.pseudo_labels.flat", tmp_path
    if kind == "two workers":
        codes, outputs, errors = workers.run(*command)
        assert codes == [0, 0], errors
        assert outputs == ["1\n"] * 2
    else:
        process = scripts.python(*command)
        assert process.returncode == 0, process.stderr
        assert process.stdout == "4\n"
    files = files_in(tmp_path, flat.SHARDS)
    for shard in range(flat.SHARDS):
        numbers = np.arange(shard, flat.IMAGES, flat.SHARDS)
        np.testing.assert_allclose(
            read(files, shard), expected(numbers), rtol=1e-5
        )


class Hosts:
    """Stands in for a strategy whose images several hosts read, as a pod's.

    The replicas' results come in another order than their images.
    """

    def __init__(self, hosts, replicas):
        self.hosts, self.each = hosts, replicas // hosts

    def distribute_datasets_from_function(self, make):
        number = self.hosts * self.each
        contexts = [
            tf.distribute.InputContext(self.hosts, host, number)
            for host in range(self.hosts)
        ]
        batches = [make(context).batch(self.each) for context in contexts]
        return tf.data.Dataset.zip(tuple(batches))

    def run(self, function, args):
        [hosts] = args
        results = [
            function({key: values[place] for key, values in host.items()})
            for host in hosts
            for place in range(self.each)
        ]
        return [list(column) for column in zip(*results, strict=True)]

    def experimental_local_results(self, values):
        return values[::-1]


@pytest.mark.parametrize(
    ("hosts", "replicas", "images"),
    [(1, 4, 11), (2, 2, 5), (2, 4, 11), (3, 6, 13), (2, 4, 1)],
)
def test_hosts_may_have_unequal_parts(monkeypatch, hosts, replicas, images):
    strategy = Hosts(hosts, replicas)
    monkeypatch.setattr(tf.distribute, "get_strategy", lambda: strategy)
    source = make_source(images, broken=[images - 1])
    parts = list(predictor(batch_size=2 * replicas)(source))
    whole = np.concatenate(parts)
    truth = expected(np.arange(images))
    truth[-1] = 0
    np.testing.assert_allclose(whole, truth, rtol=1e-5)
    # Some images at a time.
    assert all(len(part) <= 2 * replicas for part in parts)


def test_fewer_images_than_were_said_are_an_error():
    source = dataclasses.replace(make_source(9), num_images=11)
    found = []
    message = r"a test: of the images 8 to 10, counted from 0, image 9 did not"
    with pytest.raises(InputError, match=message):
        found.extend(predictor()(source))
    assert len(np.concatenate(found)) == 8


def test_values_are_ordered_by_their_places():
    places, values = np.array([7, -1, 5, 6, -1]), np.arange(5.0)
    np.testing.assert_array_equal(
        in_order(places, values, np.arange(5, 8), "photos"), [2, 3, 0]
    )
    with pytest.raises(InputError, match=r"photos: .* image 8 did not come"):
        in_order(places, values, np.arange(5, 9), "photos")
    with pytest.raises(InputError, match="some of them twice or too many"):
        in_order(places, values, np.arange(5, 7), "photos")
