"""The error of input that turns out wrong after the work began."""


class InputError(ValueError):
    """What was given does not fit; the message says what to do about it.

    Programs show the message alone. Arguments that are wrong by themselves
    raise a plain `ValueError` when they are made.
    """
