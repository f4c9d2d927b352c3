# Makes rdp.json: python3 rdp.py > rdp.json (mpmath, 60 digits, quadrature split at the modes). Arguments are exact doubles.
import json
import mpmath as mp

mp.mp.dps = 60
m = mp.mpf
s = lambda v: mp.nstr(v, 25)

def mixture(sigma, shifts, probabilities, lam, direction):
    """log E_Q[r^(1+lam)] (remove) or log E_P[r^(-1-lam)] = log E_Q[r^(-lam)] (add), P = sum p N(s, sigma^2), Q = N(0, sigma^2)."""
    sigma, lam = m(sigma), m(lam)
    ps = [m(p) for p in probabilities]
    rest = 1 - sum(ps)
    def f(y):
        r = rest + sum(p * mp.exp(m(a) * y / sigma - m(a) ** 2 / (2 * sigma ** 2)) for p, a in zip(ps, shifts))
        return mp.npdf(y) * r ** (1 + lam if direction == 0 else -lam)
    top = (1 + lam) * max(shifts) / sigma
    low = -lam * max(shifts) / sigma if direction else m(0)
    ends = sorted(set([low - 25, low - 8, low, m(-25), m(-8), m(0), m(8), top / 2, top - 8, top, top + 8, top + 25, m(25)]))
    # Split finely: the integrand has features of width sigma as well as 1.
    points = []
    for a, b in zip(ends, ends[1:]):
        n = max(1, int(mp.ceil((b - a) / min(4, 8 * sigma))))
        points += [a + (b - a) * i / n for i in range(n)]
    points.append(ends[-1])
    return mp.log(mp.quad(f, points))

cases = []
for sigma, q, lam in [(0.3, 0.01, 0.2), (0.3, 0.01, 3.5), (0.6, 1e-6, 0.1), (0.6, 1e-6, 7.3), (1.0, 1e-9, 0.01), (1.0, 1e-9, 45.5),
                      (1.1, 0.004266666666666667, 11.0), (2.0, 0.999, 4.2), (3.0, 0.08192, 5.1), (10.0, 0.08192, 1e-5), (10.0, 0.08192, 25.3),
                      (10.0, 0.5, 300.0), (1000.0, 1e-3, 2.5), (1000.0, 0.3, 4000.0), (10000.0, 1e-9, 1e4), (0.05, 0.2, 0.02), (0.05, 0.2, 1.5)]:
    cases.append({"deviation": sigma, "shifts": [1], "probabilities": [q], "lambda": lam, "direction": 0, "moment": s(mixture(sigma, [1], [q], lam, 0))})
for sigma, q, lam in [(0.5, 0.01, 1.5), (1.1, 0.004266666666666667, 11.0), (2.0, 0.999, 4.2), (10.0, 0.08192, 25.3), (1.0, 0.5, 30.0)]:
    cases.append({"deviation": sigma, "shifts": [1], "probabilities": [q], "lambda": lam, "direction": 1, "moment": s(mixture(sigma, [1], [q], lam, 1))})
for direction in (0, 1):
    for lam in (0.3, 2.0, 15.0):
        cases.append({"deviation": 2.0, "shifts": [0.5, 0.25, 1], "probabilities": [0.05, 0.1, 0.01], "lambda": lam, "direction": direction,
                      "moment": s(mixture(2.0, [0.5, 0.25, 1], [0.05, 0.1, 0.01], lam, direction))})
def laplace_exact(b, lam):
    b, a = m(b), 1 + m(lam)
    return mp.log(a / (2 * a - 1) * mp.exp((a - 1) / b) + (a - 1) / (2 * a - 1) * mp.exp(-a / b))
lap = []
for b, lam in [(0.5, 0.1), (2.0, 1.3), (20.0, 10.0), (1e4, 3.0), (1e4, 1e4)]:
    lap.append({"b": b, "lambda": lam, "moment": s(laplace_exact(b, lam))})
print(json.dumps({"made_by": "test/reference/rdp.py, mpmath " + mp.__version__ + ", 60 digits", "mixtures": cases, "laplace": lap}, indent=1))
