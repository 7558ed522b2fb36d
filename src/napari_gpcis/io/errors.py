"""Errors that a user can put right; each is one line that ends with the remedy."""

from __future__ import annotations

__all__ = [
    "ClicksFileError",
    "ImageFileError",
    "JournalError",
    "OptionError",
    "OutputFileError",
    "StoppedError",
    "UserError",
]


class UserError(ValueError):
    """An error that the user can put right; the message is one line and ends with the remedy."""


class ImageFileError(UserError):
    """An image that is missing, unreadable, truncated, or of an unsupported layout."""


class ClicksFileError(UserError):
    """A clicks file that is missing, malformed, or does not fit the image."""


class OutputFileError(UserError):
    """An output that cannot be written."""


class JournalError(UserError):
    """A journal that cannot be read, is in use, or belongs to another image."""


class OptionError(UserError):
    """An option that the engine does not take."""


class StoppedError(UserError):
    """A run that was told to stop before its end."""
