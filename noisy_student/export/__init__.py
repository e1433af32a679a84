"""Models as files that need nothing of this program.

`stock.py` builds the same model of Keras' own layers; `formats.py` writes it
and runs what it has written; `serving.py` makes the SavedModel's signatures.
"""

from noisy_student.export.exportable import Exportable
from noisy_student.export.formats import FORMATS, Format, write
from noisy_student.export.stock import in_float32, to_stock

__all__ = [
    "FORMATS",
    "Exportable",
    "Format",
    "in_float32",
    "to_stock",
    "write",
]
