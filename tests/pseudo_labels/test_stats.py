"""Statistics of filtering."""

import json

from noisy_student import pseudo_labels
from tests.pseudo_labels.made import run


def test_stats_come_back_from_disk(tmp_path):
    stats = run(tmp_path)
    assert pseudo_labels.PseudoLabelStats.load(tmp_path / "out") == stats
    on_disk = json.loads((tmp_path / "out/stats.json").read_text())
    assert on_disk["kept"] == stats.kept
