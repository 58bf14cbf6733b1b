"""One file a metric: each declares a `METRIC` (see `registry.py`), and there is no other list of them."""
