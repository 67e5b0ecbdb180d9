"""The one error family of the project."""


class LongSightError(Exception):
    """Something asked for cannot be done. The message says what was asked, what was found, and what would work."""
