"""Three programs that apply a policy to a batch, with the same results.

Which is the fastest depends on where it runs:

* compiled: XLA compiles a loop over the images for the CPU, in which each
  image goes through the branch of its own operation only;
* uncompiled: images that drew the same operation go through TensorFlow's own
  kernels together. For hosts on which XLA does not compile, those of TPUs;
* device: XLA compiles all operations for all images, and picks. It has no
  branches, for which a GPU or TPU would wait.
"""

import functools
from collections.abc import Callable

import tensorflow as tf

from noisy_student.noise.policy import Draws, Policy

# Of images, uint8 (batch, height, width, 3), and seeds, int64 (batch, 2).
_Program = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def augment(
    policy: Policy, images: tf.Tensor, seeds: tf.Tensor, form: str = "compiled"
) -> tf.Tensor:
    """Applies to each image the operations drawn from its seed.

    XLA compiles a program at run time, once per policy and image shape (batch
    included). Dimensions may be unknown when the graph is built, but every
    new size costs seconds.

    Args:
      policy: What is drawn.
      images: RGB images, uint8 (batch, height, width, 3).
      seeds: One seed per image, int64 (batch, 2).
      form: One of `FORMS`.

    Returns:
      uint8 (batch, height, width, 3).
    """
    if policy.num_layers == 0:
        return images
    return _program(policy, form)(images, seeds)


@functools.cache
def _program(policy: Policy, form: str) -> _Program:
    return tf.function(
        functools.partial(_PROGRAMS[form], policy),
        jit_compile=form != "uncompiled",
        autograph=False,
    )


def _image_by_image(
    policy: Policy, images: tf.Tensor, seeds: tf.Tensor
) -> tf.Tensor:
    functions, places = policy.branches(images)

    def one_layer(image: tf.Tensor, layer: Draws) -> tf.Tensor:
        images = image[tf.newaxis]
        draws = Draws(*(part[tf.newaxis] for part in layer))
        branch = tf.gather(places, layer.operations)
        applied = [functools.partial(f, images, draws) for f in functions]
        return tf.switch_case(branch, applied)[0]

    def one_image(inputs: tuple[tf.Tensor, Draws]) -> tf.Tensor:
        image, draws = inputs
        # Layers are a loop too: unrolled, every branch would be compiled once
        # per layer.
        return tf.foldl(one_layer, draws, initializer=image)

    draws = policy.draw(seeds, tf.shape(images)[1:3])
    form = tf.TensorSpec(images.shape[1:], tf.uint8)
    return tf.map_fn(one_image, (images, draws), fn_output_signature=form)


def _group_by_group(
    policy: Policy, images: tf.Tensor, seeds: tf.Tensor
) -> tf.Tensor:
    functions, places = policy.branches(images)

    def one_layer(images: tf.Tensor, layer: Draws) -> tf.Tensor:
        branch = tf.gather(places, layer.operations)
        numbers = tf.range(tf.shape(images)[0])
        split = functools.partial(
            tf.dynamic_partition,
            partitions=branch,
            num_partitions=len(functions),
        )
        groups = zip(*map(split, (images, *layer)), strict=True)
        applied = [
            function(group, Draws(*draws))
            for function, (group, *draws) in zip(functions, groups, strict=True)
        ]
        stitched = tf.dynamic_stitch(split(numbers), applied)
        return tf.ensure_shape(stitched, images.shape)

    draws = policy.draw(seeds, tf.shape(images)[1:3])
    for number in range(policy.num_layers):
        layer = Draws(*(part[:, number] for part in draws))
        images = one_layer(images, layer)
    return images


def _all_at_once(
    policy: Policy, images: tf.Tensor, seeds: tf.Tensor
) -> tf.Tensor:
    functions, places = policy.branches(images)

    def one_layer(images: tf.Tensor, layer: Draws) -> tf.Tensor:
        branch = tf.gather(places, layer.operations)
        picked = images
        for place, function in enumerate(functions):
            mine = tf.equal(branch, place)
            mine = mine[:, tf.newaxis, tf.newaxis, tf.newaxis]
            picked = tf.where(mine, function(images, layer), picked)
        return picked

    draws = policy.draw(seeds, tf.shape(images)[1:3])
    layers = Draws(*(tf.stack(tf.unstack(x, axis=1)) for x in draws))
    return tf.foldl(one_layer, layers, initializer=images)


_PROGRAMS = {
    "compiled": _image_by_image,
    "uncompiled": _group_by_group,
    "device": _all_at_once,
}
FORMS = tuple(_PROGRAMS)
