"""The error that the command reports in one line."""

__all__ = ["CommandError"]


class CommandError(Exception):
    """Something the caller of the command can mend."""
