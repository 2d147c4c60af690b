"""Student's t distribution, for any positive number of degrees of freedom.

SciPy has both functions, but it is no dependency of this package.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_TERMS = 10_000
_STEPS = 200
_TINY = 1e-300
_ACCURACY = 1e-15
_NORMAL_FROM = 1e6
"""From this number of degrees of freedom on, the normal distribution is used: the two differ by less than
1e-6, and the continued fraction would need many terms."""


def two_sided_p(t: float, df: float) -> float:
    """Returns the probability that |T| >= |t| for T with `df` degrees of freedom."""
    if df >= _NORMAL_FROM or math.isinf(t):
        return math.erfc(abs(t) / math.sqrt(2))
    return _incomplete_beta(df / 2, 0.5, df / (df + t * t))


def critical_t(df: float, level: float = 0.95) -> float:
    """Returns the t with P(|T| < t) = `level`: 12.71 for 1 degree of freedom, 1.96 for many.

    Newton's method, from the normal distribution's value. The two-sided p is convex in t, and that value is
    smaller than the result, so every step comes closer from below.
    """
    t = NormalDist().inv_cdf((1 + level) / 2)
    if df >= _NORMAL_FROM:
        return t
    for _ in range(_STEPS):
        step = (two_sided_p(t, df) - (1 - level)) / (2 * _density(t, df))
        t += step
        if step < 1e-12 * t:
            break
    return t


def _density(t: float, df: float) -> float:
    """Returns the density of T at t."""
    log_constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - math.log(df * math.pi) / 2
    return math.exp(log_constant - (df + 1) / 2 * math.log1p(t * t / df))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Returns the regularised incomplete beta function I_x(a, b) (DLMF 8.17).

    The continued fraction (DLMF 8.17.22) converges fast for x < (a + 1) / (a + b + 2); for larger x the
    symmetry I_x(a, b) = 1 - I_(1-x)(b, a) is used.
    """
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / (a * _continued_fraction(a, b, x))


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Returns 1 + d1 / (1 + d2 / (1 + ...)) of DLMF 8.17.22, by Lentz's method."""
    value, above, below = 1.0, 1.0, 0.0
    for term in range(1, _TERMS):
        m = term // 2
        if term % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        below = 1 / _nonzero(1 + d * below)
        above = _nonzero(1 + d / above)
        value *= above * below
        if abs(above * below - 1) < _ACCURACY:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
