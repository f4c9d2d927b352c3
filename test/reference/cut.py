"""delta of Poisson-sampled Gaussians of much noise to 25 digits: writes cut.json beside this file.

python3 cut.py      needs mpmath (https://mpmath.org)

Two steps: the integral over the first step's x of the closed form of one step, at e^(epsilon - loss(x)).
More steps: delta(epsilon) = (1/2 pi) * integral of M(t)^T e^(-t epsilon)/(t(t+1)) along Re t = c at 50 digits, M by a
trapezoid sum over |x| <= 30 sigma; done twice, with another c and other steps, which must agree to 25 digits.
q, sigma and epsilon are the exact doubles.
"""
import json
from pathlib import Path

import mpmath as mp

mp.mp.dps = 50
DIGITS = 25


def exact(text):
    return mp.mpf(float(text))


def sf(z):
    return mp.erfc(z / mp.sqrt(2)) / 2


def one_step(q, s, k, remove):
    """E[(P - kQ)+] (remove) or E[(Q - kP)+] (add) of one step, k = e^epsilon > 0 of any size."""
    def gaussian(k):  # E[(N - kQ)+]
        if k <= 0:
            return 1 - k
        x = s * s * mp.log(k) + mp.mpf(1) / 2
        return sf((x - 1) / s) - k * sf(x / s)
    if remove:  # qN - (k - 1 + q)Q
        kk = (k - 1 + q) / q
        return q * gaussian(kk)
    rest = 1 - k * (1 - q)  # rest Q - kqN
    if rest <= 0:
        return mp.mpf(0)
    kk = k * q / rest
    # E[(Q - kk N)+], by symmetry that of (N, Q)
    return rest * gaussian(kk)


def two_steps(q, s, e, remove):
    q, s, e = exact(q), exact(s), exact(e)
    front = 1 / (s * mp.sqrt(2 * mp.pi))

    def f(x):
        r = 1 + q * mp.expm1((2 * x - 1) / (2 * s * s))
        n = front * mp.exp(-x * x / (2 * s * s))
        return n * r * one_step(q, s, mp.exp(e) / r, True) if remove else n * one_step(q, s, mp.exp(e) * r, False)
    around = [s * z for z in (-24, -12, -8, -5, -3, -1, 0, 1, 3, 5, 8, 12, 24)]
    points = around
    if s < mp.mpf(1) / 4:
        # About 0 and about 1; and about where the first step's loss is epsilon, where the closed form bends within q.
        at = [s * s * mp.log((r - 1 + q) / q) + mp.mpf(1) / 2 for r in (mp.exp(e), mp.exp(e) / (1 - q))]
        near = [at[0] - (at[1] - at[0]) * 30**j for j in range(12)] + [at[1] + (at[1] - at[0]) * 30**j for j in range(12)]
        points = sorted(x for x in set(around + [1 + x for x in around] + at + near) if -24 * s <= x <= 1 + 24 * s)
    return mp.quad(f, points, maxdegree=9)


def contour(q, s, T, e, remove, c, h, digits):
    q, s, e = exact(q), exact(s), exact(e)
    n = int(30 / h)
    points = []
    for i in range(-n, n + 1):
        x = i * h * s
        w = h * mp.exp(-x * x / (2 * s * s)) / mp.sqrt(2 * mp.pi)
        points.append((w, mp.log1p(q * mp.expm1((2 * x - 1) / (2 * s * s)))))

    def moment(t):
        return sum(w * mp.exp((1 + t) * l if remove else -t * l) for w, l in points)
    # The rule in u: step and end from the scale sigma/q sqrt(T).
    scale = s / (q * mp.sqrt(T))
    step = scale * mp.mpf(digits)
    total = mp.mpf(0)
    for j in range(20000):
        t = mp.mpc(c, j * step)
        term = mp.re(moment(t) ** T * mp.exp(-t * e) / (t * (t + 1)))
        size = abs(moment(c) ** T if j == 0 else moment(t) ** T)
        total += term if j else term / 2
        if j and size < mp.mpf(10) ** -45 * abs(total):
            break
    return total * step / mp.pi


def text(x):
    return mp.nstr(x, DIGITS)


# Of little noise: two steps, in which the record is in the sample or not.
little = []
for q, s, e in [("1e-3", "0.1", "60"), ("1e-5", "0.07", "95"), ("0.01", "0.05", "250"), ("0.2", "0.15", "30"), ("1e-8", "0.19", "9")]:
    delta = two_steps(q, s, e, True)
    little.append(dict(direction="remove", samplingRate=q, noiseMultiplier=s, steps=2, epsilon=e, delta=text(delta)))
    print(little[-1], flush=True)

cases = []
for q, s, z in [("1e-8", "30", 4), ("3e-4", "12", 3), ("0.02", "100", 2), ("0.7", "15", 5), ("1e-9", "9000", 7)]:
    e = mp.nstr(mp.mpf(q) / mp.mpf(s) * mp.sqrt(2) * z, 12)
    for remove in (True, False):
        delta = two_steps(q, s, e, remove)
        cases.append(dict(direction="remove" if remove else "add", samplingRate=q, noiseMultiplier=s, steps=2, epsilon=e, delta=text(delta)))
        print(cases[-1], flush=True)
for q, s, T, z in [("1e-7", "500", 10, 5), ("3e-4", "20", 1000, 3), ("1e-9", "11", 1000000, 6), ("0.01", "3000", 1000000000, 4), ("0.4", "40", 300, 1)]:
    e = mp.nstr(mp.mpf(q) / mp.mpf(s) * mp.sqrt(T) * z, 12)
    for remove in (True, False):
        scale = mp.mpf(s) / (mp.mpf(q) * mp.sqrt(T))
        first = contour(q, s, T, e, remove, scale * z, mp.mpf(1) / 6, "0.06")
        second = contour(q, s, T, e, remove, scale * (z + 1) * mp.mpf("0.8"), mp.mpf(1) / 7, "0.05")
        assert abs(first / second - 1) < mp.mpf(10) ** -DIGITS, (q, s, T, remove)
        cases.append(dict(direction="remove" if remove else "add", samplingRate=q, noiseMultiplier=s, steps=T, epsilon=e, delta=text(first)))
        print(cases[-1], flush=True)
Path(__file__).with_name("cut.json").write_text(json.dumps(dict(source="cut.py", little=little, cases=cases), indent=2) + "\n")
