"""Checks `TF_CONFIG`, which says which process of a cluster this one is.

TensorFlow's own `TFConfigClusterResolver`, which the strategy uses, accepts
unknown task types, missing indices, repeated addresses and addresses without
a port; the strategy then waits for ever or fails without a clear message.
"""

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from typing import Any

_VARIABLE = "TF_CONFIG"
_EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": '
    '"worker", "index": 0}}, with the index of each process in its own'
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The addresses of a run's workers, chief first, and this one's index."""

    addresses: tuple[str, ...]
    index: int


def read(environment: Mapping[str, str] = os.environ) -> Cluster:
    """Reads and checks `TF_CONFIG`.

    Raises:
        ValueError: it is missing or broken, and how.
    """
    text = environment.get(_VARIABLE)
    if not text:
        raise _error("is not set")
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise _error(f"is no JSON ({error})") from error
    cluster, task = (_member(config, key) for key in ("cluster", "task"))
    known = {"chief": _addresses(cluster, "chief")}
    known["worker"] = _addresses(cluster, "worker")
    kind, index = task.get("type"), task.get("index")
    if kind not in known:
        raise _error(f"has the task type {kind!r}; known are chief and worker")
    if not isinstance(index, int) or not 0 <= index < len(known[kind]):
        raise _error(
            f"has the task index {index!r}, and there are {len(known[kind])} "
            f"of the type {kind}"
        )
    if len(known["chief"]) > 1:
        raise _error("has more than one chief")
    everyone = (*known["chief"], *known["worker"])
    for address in everyone:
        if everyone.count(address) > 1:
            raise _error(f"has the address {address} twice")
    before = len(known["chief"]) if kind == "worker" else 0
    return Cluster(everyone, before + index)


def is_given(environment: Mapping[str, str] = os.environ) -> bool:
    """Returns whether `TF_CONFIG` names several workers."""
    text = environment.get(_VARIABLE)
    return bool(text) and len(read(environment).addresses) > 1


def _member(config: Any, key: str) -> dict[str, Any]:
    value = config.get(key) if isinstance(config, dict) else None
    if not isinstance(value, dict):
        raise _error(f"has no {key}")
    return value


def _addresses(cluster: dict[str, Any], kind: str) -> list[str]:
    addresses = cluster.get(kind, [])
    if not isinstance(addresses, list):
        raise _error(f"has no list of addresses as {kind}")
    for address in addresses:
        if not re.fullmatch(r"\S+:\d+", str(address)):
            raise _error(f"has the address {address!r}, which is no HOST:PORT")
    return addresses


def _error(fault: str) -> ValueError:
    return ValueError(f"{_VARIABLE} {fault}; it should be like {_EXAMPLE}.")
