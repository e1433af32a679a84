import json

import pytest

from noisy_student.training import cluster

WORKERS = ["a:1", "b:2", "c:3"]


def environment(workers=WORKERS, kind="worker", index=0, **others):
    config = {
        "cluster": {"worker": workers, **others},
        "task": {"type": kind, "index": index},
    }
    return {"TF_CONFIG": json.dumps(config)}


def test_the_place_among_the_workers():
    found = cluster.read(environment(index=2))
    assert found == cluster.Cluster(("a:1", "b:2", "c:3"), 2)


def test_a_chief_comes_first():
    found = cluster.read(environment(index=1, chief=["h:9"]))
    assert found.addresses[0] == "h:9" and found.index == 2
    found = cluster.read(environment(kind="chief", chief=["h:9"]))
    assert found.index == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "is not set"),
        ("{", "is no JSON"),
        ("[]", "has no cluster"),
        ('{"cluster": {"worker": ["a:1"]}}', "has no task"),
        (environment(index=3)["TF_CONFIG"], "task index 3, and there are 3"),
        (environment(index="0")["TF_CONFIG"], "task index '0'"),
        (environment(kind="ps")["TF_CONFIG"], "task type 'ps'"),
        (environment(["host"])["TF_CONFIG"], "'host', which is no HOST:PORT"),
        (environment(["a:1", "a:1"])["TF_CONFIG"], "address a:1 twice"),
        (environment("a:1")["TF_CONFIG"], "no list of addresses as worker"),
        (environment(chief=["a:1", "b:2"])["TF_CONFIG"], "more than one chief"),
    ],
)
def test_a_broken_variable_is_refused(text, fault):
    variables = {} if text is None else {"TF_CONFIG": text}
    with pytest.raises(ValueError, match=fault):
        cluster.read(variables)


def test_one_worker_needs_no_cluster():
    assert not cluster.is_given({})
    assert not cluster.is_given(environment(["a:1"]))
    assert cluster.is_given(environment())
