"""`--mode=export`: a model as files that need nothing of this program."""

from typing import Any

from etils import epath

from noisy_student import export, progress
from noisy_student.config import ExperimentConfig
from noisy_student.data import views
from noisy_student.files import disk_space, run_directory, stamps, writing
from noisy_student.report import model_card
from noisy_student.stages import exported
from noisy_student.stages.experiment import Stage, required_directory
from noisy_student.stages.exported import Found

_MADE_FROM = "made_from.json"
_CARD = "README.md"


class Export(Stage):
    """Writes a model in several formats, each checked, and a model card.

    The directory appears when all of it is whole.
    """

    def validate(self) -> None:
        settings = self.config.export
        self.directory = required_directory(settings.export_dir, "export_dir")
        _check_directory(self.directory)
        self.formats = tuple(dict.fromkeys(settings.format))
        _check_libraries(self.formats)
        self.found = exported.find(self.config)
        _check_source(self.found, self.formats)
        self.exportable = export.Exportable(
            self.found.reference,
            self.found.model,
            _image_format(self.found, settings.central_crop),
            _class_names(self.config, self.found),
        )
        self.is_done = self._is_done()
        if not self.is_done:
            size = 4 * self.found.model.count_params() * len(self.formats)
            disk_space.check(self.directory, size, "The exported models")

    def run(self) -> None:
        if self.is_done:
            print(f"{self.directory} has this export already.")
            return
        written = []
        with (
            writing.replacing_directory(
                self.directory, last=_MADE_FROM
            ) as temporary,
            progress.bar(len(self.formats), "export", "format") as bar,
        ):
            for name in self.formats:
                bar.set_postfix_str(name)
                path = export.write(name, self.exportable, temporary)
                written.append(f"{name}: {path.relative_to(temporary)}")
                bar.update()
            names = self.exportable.class_names
            run_directory.write_class_names(temporary, names)
            writing.write_text(temporary / _CARD, self._card())
            writing.write_json(temporary / _MADE_FROM, self._made_from())
        print(f"{self.directory}: {', '.join(written)}, {_CARD}.")

    def _made_from(self) -> dict[str, Any]:
        image_format = self.exportable.image_format
        return {
            "model": self.found.digest,
            "format": list(self.formats),
            "classes": list(self.exportable.class_names),
            "input_image_size": image_format.side,
            "central_crop": not image_format.small,
        }

    def _is_done(self) -> bool:
        """Whether the same export is there.

        Raises:
            InputError: Another one is.
        """
        path = self.directory / _MADE_FROM
        if not path.exists():
            return False
        stamps.check_same(
            writing.read_json(path),
            self._made_from(),
            f"{self.directory} holds another export: {{changes}}. Name "
            "another export_dir.",
        )
        return True

    def _card(self) -> str:
        image_format, found = self.exportable.image_format, self.found
        return model_card.format_card(
            model_card.Card(
                name=found.model.name,
                path=found.path,
                num_weights=found.model.count_params(),
                side=image_format.side,
                central_crop=not image_format.small,
                class_names=self.exportable.class_names,
                files={x: export.FORMATS[x].path for x in self.formats},
                run=found.run,
            )
        )


def _check_directory(directory: epath.Path) -> None:
    """Refuses a directory that holds something else than an export."""
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"export_dir {directory} is a file.")
    if (directory / _MADE_FROM).exists() or not directory.exists():
        return
    if any(directory.iterdir()):
        raise ValueError(
            f"export_dir {directory} is not empty and holds no export; name a "
            "new directory."
        )


def _check_libraries(formats: tuple[str, ...]) -> None:
    """Refuses formats whose libraries are not installed."""
    for name in formats:
        if missing := export.FORMATS[name].missing:
            raise ValueError(
                f"format={name} needs {', '.join(missing)}: pip install -r "
                "requirements-export.txt"
            )


def _check_source(found: Found, formats: tuple[str, ...]) -> None:
    """Refuses to make anything but a SavedModel of a SavedModel."""
    if (
        found.run is None
        and found.path.is_dir()
        and formats != ("saved_model",)
    ):
        raise ValueError(
            f"{found.path} is a SavedModel and can only be exported with "
            "format=saved_model; name a .keras file for other formats."
        )


def _image_format(found: Found, central_crop: bool | None) -> views.ImageFormat:
    """How encoded images reach the model.

    Raises:
        ValueError: Neither the flags nor the model's run say it.
    """
    small = found.small_images if central_crop is None else not central_crop
    if small is None:
        raise ValueError(
            f"{found.path} does not say whether its images were cropped: set "
            "central_crop or nocentral_crop."
        )
    side = found.model.input_shape[1]
    return views.ImageFormat(side, small, horizontal_flip=False)


def _class_names(config: ExperimentConfig, found: Found) -> tuple[str, ...]:
    """The names of the run's classes, or else numbers.

    Raises:
        ValueError: The run has other classes than the model.
    """
    number = found.model.output_shape[-1]
    given = config.model_dir and config.directory
    run = given or found.run
    names = run and run_directory.read_class_names(run)
    if not names:
        return tuple(f"class_{index:03d}" for index in range(number))
    if len(names) != number:
        raise ValueError(
            f"{found.path} has {number} classes, and the run in {run} has "
            f"{len(names)} in its {run_directory.CLASSES_FILE}."
        )
    return names
