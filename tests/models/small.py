"""The small model of the SVHN fixture, and a training pass of it."""

import tensorflow as tf

from noisy_student import tasks
from noisy_student.config import ModelConfig

SMALL = ModelConfig(
    "efficientnet-b0",
    num_classes=10,
    input_image_size=32,
    width_coefficient=0.25,
    depth_coefficient=0.34,
    small_image_model=True,
    mean=tasks.KNOWN["svhn_cropped"].mean,
    std=tasks.KNOWN["svhn_cropped"].std,
)


def gradients_of(model, images, compiled=False):
    """Loss and gradients of one training pass, noise included."""

    def run():
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_sum(tf.nn.log_softmax(logits)[:, 0])
        variables = [v.value for v in model.trainable_variables]
        return loss, tape.gradient(loss, variables)

    return tf.function(run, jit_compile=compiled)()
