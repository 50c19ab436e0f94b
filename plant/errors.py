"""Faults that the product knows by name; each carries the exit code of the command line."""

from __future__ import annotations


class EmsError(Exception):
    """A fault that is expected to happen and is reported in one sentence."""

    exit_code = 1


class ConfigError(EmsError):
    """A site file, option or input file is wrong; the text names file, key, value and what would be right."""

    exit_code = 2


class DataError(EmsError):
    """Readings or a table cannot be used as they are; the text names the column and what is wrong with it."""

    exit_code = 2


class NotFoundError(EmsError):
    """Something named by the caller does not exist; the text lists what does."""

    exit_code = 3


class RefusedError(EmsError):
    """A rule of the product forbids what was asked."""

    exit_code = 4


class InfeasibleError(EmsError):
    """No plan meets the hard limits; the text names the limits in conflict."""

    exit_code = 5


class NotConnectedError(EmsError):
    """The plant, a server or a source does not answer, or what it says is too old."""

    exit_code = 6


class HistorianError(EmsError):
    """The store of readings and decisions cannot be read or written."""


class SolverError(EmsError):
    """The solver ended without a usable plan."""


class WriteRefusedError(EmsError):
    """The plant itself refused a write (access right, type, range)."""

    exit_code = 4
