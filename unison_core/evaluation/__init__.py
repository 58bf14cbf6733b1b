"""Scoring of finished clips.

`run.py` is one evaluation; `registry.py` says what a metric is, and `metrics/` holds one a file; `engine.py` extracts
features and scores; `summary.py`, `tables.py`, `page.py` and `compare.py` tell what was found. The measures themselves
(loudness, sync, lips, looks, sounds, voices, asr) are one idea a file.
"""
