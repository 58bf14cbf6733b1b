"""Recordings -> speech and effects stems."""
