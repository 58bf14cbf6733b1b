"""Recordings -> speech and effects stems."""

from unison_core.separation.deferred import defer_unused

defer_unused()
