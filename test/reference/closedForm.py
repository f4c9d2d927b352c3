# Makes closedForm.json: python3 closedForm.py > closedForm.json (mpmath, 400 digits against the cancellation). Arguments are exact doubles.
import json
import mpmath as mp

mp.mp.dps = 400
m = mp.mpf
s = lambda v: mp.nstr(v, 25)
sf = lambda x: mp.erfc(x / mp.sqrt(2)) / 2
def delta(mu, eps):
    return sf(eps / mu - mu / 2) - mp.exp(eps) * sf(eps / mu + mu / 2)
gaussian, sampled = [], []
for sigma, eps in [(1.0, 0.0), (1.0, 1.0), (1.0, 4.377178095681137), (1.0, 37.0), (0.05, 200.0), (0.05, 20.0), (0.05, 900.0), (1e-3, 5e5), (1e-3, 5.1e5), (10.0, 0.3),
                   (10.0, 3.7), (100.0, 0.001), (100.0, 0.03), (100.0, 0.36), (1e4, 0.0), (1e4, 1e-5), (1e4, 1e-3), (1e4, 3.6e-3), (1e6, 1e-7), (1e6, 3e-5), (2.5, 1.5), (0.3, 0.7),
                   (1.99, 0.5), (2.01, 0.5), (0.1, 1.0), (0.2, 12.5)]:
    gaussian.append({"sigma": sigma, "epsilon": eps, "delta": s(delta(1 / m(sigma), m(eps)))})
for sigma, q, eps in [(1.0, 0.01, 0.5), (1.0, 1e-9, 1e-9), (1.0, 1e-9, 0.1), (0.05, 1e-9, 100.0), (3.0, 0.08192, 0.01), (3.0, 0.999999, 1.0), (1e4, 0.5, 1e-4), (0.3, 0.2, 35.0), (0.5, 0.9, 0.1)]:
    eps_, q_ = m(eps), m(q)
    sampled.append({"sigma": sigma, "q": q, "epsilon": eps, "delta": s(q_ * delta(1 / m(sigma), mp.log1p(mp.expm1(eps_) / q_)))})
print(json.dumps({"made_by": "test/reference/closedForm.py, mpmath " + mp.__version__ + ", 400 digits", "gaussian": gaussian, "sampled": sampled}, indent=1))
