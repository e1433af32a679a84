"""Means of the training metrics between two entries of the log."""


class Means:
    """Collects metrics of several calls of the training loop."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, float] = {}
        self._steps, self._seconds = 0, 0.0

    def add(
        self, metrics: dict[str, float], steps: int, seconds: float
    ) -> None:
        """Adds a call.

        Args:
            metrics: metrics by name, means over the call's steps; the same
                names in all calls.
            steps: number of its steps.
            seconds: the time that it took.
        """
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + steps * value
        self._steps += steps
        self._seconds += seconds

    def take(self) -> tuple[dict[str, float], float]:
        """Returns the means over all steps and the steps a second.

        The next call that is added is the first of the next means.
        """
        means = {name: x / self._steps for name, x in self._sums.items()}
        rate = self._steps / self._seconds
        self._clear()
        return means, rate
