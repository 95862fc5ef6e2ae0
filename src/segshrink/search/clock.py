"""Time that a search takes, kept in its study over all starts."""

import time

import optuna

SECONDS = "seconds of "
SCHEDULING_SECONDS = "scheduling seconds of "


class Clock:
    """Counts the seconds of one driver, and those that its workers wait.

    Args:
        study: where they are kept.
        driver: name of the driver.
        slots: number of workers.
    """

    def __init__(self, study: optuna.Study, driver: str, slots: int) -> None:
        self._study = study
        self._driver = driver
        self._began = time.monotonic()
        attributes = study.user_attrs
        self._earlier = float(attributes.get(SECONDS + driver, 0.0))
        self._scheduling = float(attributes.get(SCHEDULING_SECONDS + driver, 0.0))
        self._free_since = dict.fromkeys(range(slots), self._began)

    @property
    def seconds(self) -> float:
        """Seconds of the search by this driver, over all its starts."""
        return self._earlier + self.seconds_since_start

    @property
    def seconds_since_start(self) -> float:
        """Seconds since this start."""
        return time.monotonic() - self._began

    def occupy(self, slot: int) -> None:
        """Count the time that a worker has waited until now."""
        self._scheduling += time.monotonic() - self._free_since[slot]

    def release(self, slot: int) -> None:
        """Begin to count the time that a worker waits."""
        self._free_since[slot] = time.monotonic()

    def keep(self) -> None:
        """Write the seconds into the study."""
        self._study.set_user_attr(SECONDS + self._driver, round(self.seconds, 2))
        scheduling = round(self._scheduling, 3)
        self._study.set_user_attr(SCHEDULING_SECONDS + self._driver, scheduling)


def seconds_of_all(study: optuna.Study, what: str) -> float:
    """Sum over the drivers of the study of `SECONDS` or `SCHEDULING_SECONDS`."""
    found = (x for name, x in study.user_attrs.items() if name.startswith(what))
    return round(sum(found), 2)
