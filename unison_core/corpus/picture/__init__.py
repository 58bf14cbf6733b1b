"""The drawn half of the corpus: a person at a table, a prop, a room and a window. Needs skia (extra `corpus`)."""
