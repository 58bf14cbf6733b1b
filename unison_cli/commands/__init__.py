"""One short file per command: parse, one library call, report."""
