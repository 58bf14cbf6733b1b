"""Weight-free measures of finished clips, one idea a file; see `benchmarks/quality.py` for the table they make."""
