"""Networks of learned metrics that no library has, written anew with the public weights' key names, and what feeds them."""
