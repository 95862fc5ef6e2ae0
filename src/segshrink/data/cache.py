"""A bounded store of decoded images."""

import threading
from collections import OrderedDict

from segshrink.data.annotated import ImageAndLabels, Part


class ImageCache:
    """Keeps the most recently used images of a part decoded, within a byte limit.

    The latest image is kept even if it alone exceeds the limit, since its tiles follow
    one another. Threads may share a cache; of those that miss the same image at once,
    one decodes it and the others wait.

    Args:
        part: the images.
        max_bytes: limit of the decoded images and labels, in bytes.
    """

    def __init__(self, part: Part, max_bytes: int) -> None:
        self._part = part
        self._max_bytes = max_bytes
        self._held: OrderedDict[int, ImageAndLabels] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()
        self._turns: dict[int, threading.Lock] = {}

    @property
    def held_bytes(self) -> int:
        """Bytes of the images and labels that are held now."""
        return self._held_bytes

    def get(self, index: int) -> ImageAndLabels:
        """Image and labels of `part[index]`, read-only, decoded if not held."""
        with self._lock:
            if index in self._held:
                return self._latest(index)
            turn = self._turns.setdefault(index, threading.Lock())
        # Decoding takes long, and other threads may need held images meanwhile.
        with turn:
            with self._lock:
                if index in self._held:
                    return self._latest(index)
            decoded = _read_only(self._part[index].read())
            with self._lock:
                self._insert(index, decoded)
                self._turns.pop(index, None)
        return decoded

    def _latest(self, index: int) -> ImageAndLabels:
        self._held.move_to_end(index)
        return self._held[index]

    def _insert(self, index: int, decoded: ImageAndLabels) -> None:
        if index in self._held:
            return
        self._held[index] = decoded
        self._held_bytes += _size_bytes(decoded)
        while self._held_bytes > self._max_bytes and len(self._held) > 1:
            _, oldest = self._held.popitem(last=False)
            self._held_bytes -= _size_bytes(oldest)


def _read_only(decoded: ImageAndLabels) -> ImageAndLabels:
    # Views are made read-only, since the owner may still write to the arrays.
    image, labels = (array.view() for array in decoded)
    image.flags.writeable = labels.flags.writeable = False
    return image, labels


def _size_bytes(decoded: ImageAndLabels) -> int:
    image, labels = decoded
    return image.nbytes + labels.nbytes
