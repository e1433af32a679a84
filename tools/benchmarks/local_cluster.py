"""Several workers on this machine."""

import contextlib
import json
import socket


def environments(count: int = 2) -> list[dict[str, str]]:
    """Returns the `TF_CONFIG` of each worker of a cluster at free ports."""
    with contextlib.ExitStack() as stack:
        # All are open at once, so that the ports differ.
        sockets = [
            stack.enter_context(socket.create_server(("localhost", 0)))
            for _ in range(count)
        ]
        addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    cluster = {"worker": addresses}
    tasks = [{"type": "worker", "index": index} for index in range(count)]
    return [
        {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}
        for task in tasks
    ]
