"""Settings that tests share."""

from noisy_student import config


def experiment(directory, **train):
    return config.ExperimentConfig(
        mode="self_train",
        model_dir=str(directory),
        seed=0,
        data=config.DataConfig("digits"),
        model=config.ModelConfig("efficientnet-b0"),
        noise=config.NoiseConfig(),
        input_pipeline=config.InputConfig(),
        train=config.TrainConfig(**train),
        consistency=config.ConsistencyConfig(),
        pseudo_labels=config.PseudoLabelConfig(),
        predict=config.PredictConfig(),
        self_training=config.SelfTrainingConfig(),
        run=config.RunConfig(),
    )
