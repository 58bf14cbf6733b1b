"""The command line: parsing and reporting around calls of `unison_core`."""
