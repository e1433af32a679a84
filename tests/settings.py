"""Settings that tests share."""

from noisy_student import config, methods


def experiment(directory, method="noisy_student", **train):
    return methods.with_defaults(
        config.ExperimentConfig(
            model_dir=str(directory), train=config.TrainConfig(method, **train)
        )
    )
