"""What the model sees of an image: decoded, cut to size and noised.

Small images (`Task.small_images`) are resized, and cropped by padding after
their noise; larger ones are decoded where they are cropped. `pipelines.py`
calls this for chunks of images at a time, and `noised.py` has their noise.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from noisy_student import noise
from noisy_student.config import InputConfig, NoiseConfig
from noisy_student.data import decoding, noised, order, orientation
from noisy_student.data.decoding import Example, View
from noisy_student.data.image_format import ImageFormat

# From a batch and whether each image could be decoded, bool (batch,).
Check = Callable[[Example, tf.Tensor], Example]
# From the number of a chunk of images, int64 (), and the chunk.
ChunkMap = Callable[[tf.Tensor, Example], Example]


@dataclasses.dataclass(frozen=True)
class BatchSpec:
    """What training batches are like.

    Attributes:
        image_format: The form of the images.
        noise: The input noise.
        batch_size: The number of images in a batch.
        seed: The seed of order and noise.
        first_batch: The number of batches already taken.
        teacher_side: The side of the `teacher_image` in unlabelled batches,
            the same images as evaluation sees them; None leaves it out.
        second_view: Whether there is also a `second_image`, the same images
            under noise of their own.
        noise_form: One of `noise.FORMS`, all of which give the same images.
            With `device`, batches have none of the noise but its seeds, and
            `noised.in_step` adds it.
        input: How memory and threads are used.
        worker: Which worker's batches these are, in [0, num_workers).
        num_workers: The number of workers, each of which sees its part of
            the images.
    """

    image_format: ImageFormat
    noise: NoiseConfig
    batch_size: int
    seed: int
    first_batch: int = 0
    teacher_side: int | None = None
    second_view: bool = False
    noise_form: str = "compiled"
    input: InputConfig = dataclasses.field(default_factory=InputConfig)
    worker: int = 0
    num_workers: int = 1


def chunk_maps(
    spec: BatchSpec, seed: tuple[int, int], check: Check, exif: bool
) -> tuple[ChunkMap, ChunkMap]:
    """Returns two functions of a chunk's number and the chunk.

    The first decodes images to what does not change in a small image from
    epoch to epoch, or to the random crop of a large one. The second adds the
    views that are copies of another, and noise.

    Args:
        spec: What the batches are like.
        seed: The seed of views and noise.
        check: Is called with what the first decoded.
        exif: Whether images are turned; see `ImageSource.exif`.
    """
    image_format, clean = spec.image_format, spec.noise.remove_aug
    # Then the teacher sees the image itself before its noise.
    copied = image_format.small and spec.teacher_side == image_format.side
    teacher_side = None if copied else spec.teacher_side
    if image_format.small or clean:
        view = plain_view(image_format, teacher_side)
    else:
        view = _random_view(image_format.side, teacher_side, spec.second_view)
    if exif:
        view = upright(view)
    add_noise = noised.batch_noise(image_format, spec.noise, spec.noise_form)

    def decode(number: tf.Tensor, chunk: Example) -> Example:
        encoded = chunk["encoded"]
        count = tf.size(encoded, out_type=tf.int64)
        first = order.seed_at(seed, number)
        seeds = tf.random.stateless_uniform(
            tf.stack([count, 2]), first, None, None, tf.int64
        )
        images, decodable = decoding.decode_batch(encoded, seeds, view)
        checked = check(images | chunk, decodable)
        read = ("encoded", "record")
        return {key: x for key, x in checked.items() if key not in read}

    def augment(number: tf.Tensor, chunk: Example) -> Example:
        if copied:
            chunk = chunk | {"teacher_image": chunk["image"]}
        if spec.second_view and "second_image" not in chunk:
            chunk = chunk | {"second_image": chunk["image"]}
        if clean:
            return chunk
        # Negative numbers: other seeds than those of the views.
        first = order.seed_at(seed, -1 - number)
        if spec.noise_form == "device":
            return chunk | noised.seeds_of(chunk, first)
        return chunk | noised.on_host(add_noise, chunk, first)

    return decode, augment


def plain_view(
    image_format: ImageFormat, teacher_side: int | None = None
) -> View:
    """Returns what evaluation, prediction and the teacher see, as `image`.

    Args:
        image_format: The form of `image`.
        teacher_side: The side of an additional `teacher_image`, or None.
    """
    sides = {"image": image_format.side}
    if teacher_side is not None:
        sides["teacher_image"] = teacher_side

    def view(encoded: tf.Tensor, seed: tf.Tensor) -> Example:
        del seed
        if not image_format.small:
            return {k: noise.central_crop(encoded, s) for k, s in sides.items()}
        image = noise.decode(encoded)
        return {k: noise.resize(image, s) for k, s in sides.items()}

    return view


def upright(view: View) -> View:
    """Returns a view with its images turned as their files' EXIF data say.

    Args:
        view: Its images are square. So what it cut out can be turned, which
            has fewer pixels than the whole image.
    """

    def turned_view(encoded: tf.Tensor, seed: tf.Tensor) -> Example:
        stored = orientation.read(encoded)
        return {
            key: tf.ensure_shape(orientation.turn(image, stored), image.shape)
            for key, image in view(encoded, seed).items()
        }

    return turned_view


def _random_view(
    side: int, teacher_side: int | None, second_view: bool
) -> View:
    """Returns a random crop of a large image; see `BatchSpec`."""

    def view(encoded: tf.Tensor, seed: tf.Tensor) -> Example:
        if teacher_side is None:
            crops = {"image": noise.random_area_crop(encoded, side, seed)}
        else:
            image, teacher_image = noise.random_and_central_crop(
                encoded, side, teacher_side, seed
            )
            crops = {"image": image, "teacher_image": teacher_image}
        if second_view:
            other = tf.random.experimental.stateless_fold_in(seed, 1)
            second = noise.random_area_crop(encoded, side, other)
            crops["second_image"] = second
        return crops

    return view
