"""How many moments of two lists meet within a tolerance, each used once: a maximum matching on the line.

    precision = matched / estimated,    recall = matched / true,    F1 = 2 P R / (P + R)

as in mir_eval.
"""

import numpy as np


def match_count(a_s: np.ndarray, b_s: np.ndarray, tolerance_s: float) -> int:
    """Largest number of pairs that differ by at most the tolerance; for sorted moments the greedy one is largest."""
    a, b = np.sort(np.asarray(a_s, dtype=np.float64)), np.sort(np.asarray(b_s, dtype=np.float64))
    i = j = matched = 0
    while i < len(a) and j < len(b):
        if abs(a[i] - b[j]) <= tolerance_s + 1e-9:
            i, j, matched = i + 1, j + 1, matched + 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    return matched


def onset_f1(estimated_s: np.ndarray, true_s: np.ndarray, tolerance_s: float) -> float:
    """F1 of moments; 0 where one list is empty and the other is not, 1 where both are."""
    if not len(estimated_s) and not len(true_s):
        return 1.0
    matched = match_count(estimated_s, true_s, tolerance_s)
    return 2 * matched / (len(estimated_s) + len(true_s))
