"""Networks of learned metrics that no library has, with the public weights' key names, and what feeds them."""
