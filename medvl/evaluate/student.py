"""Student's t distribution, without a package for it."""

from __future__ import annotations

import math

TERMS = 300  # of the continued fraction; it converges in about the square root of the degrees of freedom
TINY = 1e-300


def two_sided_p(t: float, freedom: float) -> float:
    """Chance that |T| is at least |t|: I_x(v / 2, 1 / 2) with x = v / (v + t^2) (Abramowitz and Stegun, 26.7.1).

    Args:
        t: any number, infinite too.
        freedom: v, degrees of freedom, above 0.
    """
    return _incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))


def two_sided_quantile(confidence: float, freedom: float) -> float:
    """The t that |T| stays below with this probability, e.g. 2.776 for 0.95 and 4 degrees of freedom."""
    low, high = 0.0, 1.0
    while two_sided_p(high, freedom) > 1 - confidence:
        high *= 2
    for _ in range(100):  # halving: more often than a double has digits
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, freedom) > 1 - confidence else (low, middle)
    return high


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b) (Abramowitz and Stegun, 26.5.8), from the side on which the fraction converges fast."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / (a * _fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction 1 + d1 / (1 + d2 / (1 + ...)), by Lentz' method."""
    value, above, below = 1.0, 1.0, 0.0
    for term in range(1, TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        below = 1 / ((1 + d * below) or TINY)
        above = (1 + d / above) or TINY
        value *= above * below
        if abs(above * below - 1) < 1e-15:
            break
    return value
