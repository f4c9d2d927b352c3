# Makes normal.json: python3 normal.py > normal.json (mpmath, 50 digits). Arguments are exact doubles.
import json
import mpmath as mp

mp.mp.dps = 50
s = lambda v: mp.nstr(v, 25)
m = mp.mpf
xs = [0.0, 1e-300, 1e-9, 0.01, 0.1, 0.3, 0.49999, 0.5, 0.7, 0.999, 1.0, 1.5, 2.0, 2.718281828459045, 3.3, 4.0, 5.5, 6.2, 6.2831, 6.2832, 6.5,
      8.0, 10.1, 13.7, 20.3, 25.9, 30.0, 37.4, 100.0, 1234.5, 99999.9, 1e5, 1e8, 3e12]
# erfc by its incomplete gamma function continued; scaled form by the product at high working precision.
def erfcx(x):
    with mp.workdps(60):
        if x > 1e4:
            # asymptotic series, error below its last term
            t = 1; a = mp.mpf(1)
            for n in range(1, 12):
                t *= -(2 * n - 1) / (2 * m(x) ** 2)
                a += t
            return a / (m(x) * mp.sqrt(mp.pi))
        with mp.workdps(60):
            return mp.erfc(m(x)) * mp.exp(m(x) ** 2)
def logsf(x):
    if x < 0:
        with mp.workdps(700):
            return mp.log1p(-mp.erfc(m(-x) / mp.sqrt(2)) / 2)
    y = m(x) / mp.sqrt(2)
    return -m(x) ** 2 / 2 + mp.log(erfcx(y) / 2)
out = {"made_by": "test/reference/normal.py, mpmath " + mp.__version__ + ", 50 digits", "erfcx": [[x, s(erfcx(x))] for x in xs],
  "erfc": [[x, s(mp.erfc(m(x)))] for x in [a for a in xs if a < 26.5] + [-0.2, -1.0, -3.0]],
  "erf": [[x, s(mp.erf(m(x)))] for x in xs if x < 7],
  "normal_sf": [[x, s(mp.exp(logsf(x)))] for x in [a for a in xs if a < 37.45] + [-0.5, -2.0, -7.0]],
  "log_normal_sf": [[x, s(logsf(x))] for x in xs + [-1e-9, -0.5, -2.0, -7.0, -30.0]],
}
def mills(x):
    return erfcx(m(x) / mp.sqrt(2)) * mp.sqrt(mp.pi / 2)
with mp.workdps(90):
    out["mills_slope"] = [[x, s(1 - m(x) * mp.exp(m(x) ** 2 / 2) * mp.sqrt(mp.pi / 2) * mp.erfc(m(x) / mp.sqrt(2)))] for x in [-3.0, -0.3, 0.0, 1e-5, 0.5, 1.4, 3.0, 7.7, 8.9, 20.0, 37.5]]
out["mills_ratio"] = [[x, s(mills(x))] for x in xs]
def isf(lp):
    # root of logsf(x) = lp, by mpmath's secant from a good start
    x0 = mp.sqrt(max(m(1) / 4, -2 * m(lp) - mp.log(2 * mp.pi * max(m(1), -2 * m(lp)))))
    return mp.findroot(lambda x: logsf_mp(x) - m(lp), x0)
def logsf_mp(x):
    with mp.workdps(60):
        if x < 1000:
            return mp.log(mp.erfc(x / mp.sqrt(2)) / 2)
    return logsf(x)
out["log_normal_sf_inverse"] = [[lp, s(isf(lp))] for lp in [-1.5, -2.0, -5.0, -11.3, -50.0, -700.0, -740.0, -1e4, -123456.789]]
def quantile(p):
    return mp.sqrt(2) * mp.erfinv(2 * m(p) - 1)
out["normal_quantile"] = [[p, s(quantile(p))] for p in [0.5, 0.5000001, 0.49999999999, 0.3, 0.26, 0.25, 0.24, 0.75, 0.76, 0.1, 1e-3, 1e-9, 0.99, 1 - 2**-30, 1e-20]]
print(json.dumps(out, indent=1))
