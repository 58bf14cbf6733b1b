"""Parts of `benchmarks/full_size.py`, one per question."""
