"""Errors that say who, what and which rule, and where possible the right line.

A learner who breaks a rule of the machine should read one sentence, not a stack of frames of the
kit.  So every error of the kit descends from KitError, the command line prints its sentence alone,
and Jupyter does so too (IPython asks an exception for `_render_traceback_` before it draws its own).
"""


class KitError(Exception):
    """Something a user of the kit can mend; str() is the whole sentence."""

    def _render_traceback_(self):
        return [f"{type(self).__name__}: {self}"]


class BadInput(KitError):
    """A file, an argument or an option that cannot be what was meant."""


class Refused(KitError):
    """The machine forbids what a task just asked for, as the kernel would (or should)."""


class WouldSleepForever(KitError):
    """At the prompt, a call went to sleep, and there is no other task to wake it."""


class Corruption(KitError):
    """An allocator found its memory damaged: freed twice, used after free, or never its own."""
