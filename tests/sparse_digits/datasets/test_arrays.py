import hashlib

import numpy as np

from sparse_digits.datasets.arrays import digest


def test_the_digest_is_that_of_shape_pixels_and_labels_one_after_the_other():
    images, labels = np.array([[1, 2]], np.uint8), np.array([3], np.uint8)
    assert digest(images, labels) == hashlib.sha256(b"1 2\n\x01\x02\x03").hexdigest()


def test_the_digest_depends_on_pixels_labels_and_shape():
    images, labels = np.arange(30, dtype=np.uint8).reshape(5, 6), np.arange(5, dtype=np.uint8)
    other_images, other_labels = images.copy(), labels.copy()
    other_images[4, 5] += 1
    other_labels[4] += 1
    digests = {
        digest(images, labels),
        digest(other_images, labels),
        digest(images, other_labels),
        digest(images.reshape(6, 5), labels),
    }
    assert len(digests) == 4


def test_the_digest_does_not_depend_on_the_arrays_memory_order():
    images, labels = np.arange(30, dtype=np.uint8).reshape(5, 6), np.arange(5, dtype=np.uint8)
    assert digest(np.asfortranarray(images), labels) == digest(images, labels)
