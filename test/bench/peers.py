"""Times the Python accountants that are installed, on the settings given as JSON on standard input."""

import contextlib
import importlib.metadata
import json
import statistics
import sys
import time
import warnings

warnings.filterwarnings("ignore")
settings = json.load(sys.stdin)
results = []
versions = [f"Python {sys.version.split()[0]}"]


def record(setting, task, peer, ask, repeats=4):
    """Median of the calls after the first, which warms up; of one call alone where it took over five seconds."""
    times, value, error = [], None, None
    try:
        while len(times) < repeats:
            start = time.perf_counter()
            with contextlib.redirect_stdout(sys.stderr):
                value = float(ask())
            times.append(1000 * (time.perf_counter() - start))
            if times[0] > 5000:
                break
    except Exception as problem:  # the peer's own refusal is a result
        error = f"{type(problem).__name__}: {problem}"[:60]
        times.append(1000 * (time.perf_counter() - start))
    ms = statistics.median(times[1:] or times)
    results.append(dict(setting=setting["name"], task=task, peer=peer, value=value, error=error, ms=ms))
    print(f"  {setting['name']}: {peer}, {task}: {value} in {ms:.0f} ms", file=sys.stderr)


def dp_accounting(s, q):
    import dp_accounting as dp
    from dp_accounting.pld import PLDAccountant
    from dp_accounting.rdp import RdpAccountant

    def event(sigma):
        return dp.SelfComposedDpEvent(dp.PoissonSampledDpEvent(q, dp.GaussianDpEvent(sigma)), s["steps"])

    def epsilon(fresh):
        return fresh().compose(event(s["noiseMultiplier"])).get_epsilon(s["delta"])

    record(s, "epsilon", "dp_accounting PLD", lambda: epsilon(PLDAccountant))
    record(s, "epsilon, rdp", "dp_accounting RDP", lambda: epsilon(RdpAccountant))
    record(
        s,
        "noise multiplier",
        "dp_accounting PLD",
        lambda: dp.calibrate_dp_mechanism(PLDAccountant, event, s["targetEpsilon"], s["delta"]),
    )


def prv_accountant(s, q):
    from prv_accountant import PRVAccountant
    from prv_accountant.dpsgd import find_noise_multiplier
    from prv_accountant.privacy_random_variables import PoissonSubsampledGaussianMechanism

    def epsilon():
        prv = PoissonSubsampledGaussianMechanism(sampling_probability=q, noise_multiplier=s["noiseMultiplier"])
        accountant = PRVAccountant(
            prvs=prv, max_self_compositions=s["steps"], eps_error=0.01, delta_error=s["delta"] / 1000
        )
        return accountant.compute_epsilon(delta=s["delta"], num_self_compositions=[s["steps"]])[2]

    record(s, "epsilon", "prv_accountant 0.01", epsilon)
    record(
        s,
        "noise multiplier",
        "prv_accountant 0.01",
        lambda: find_noise_multiplier(
            sampling_probability=q,
            num_steps=s["steps"],
            target_epsilon=s["targetEpsilon"],
            target_delta=s["delta"],
            eps_error=0.01,
        ),
    )


def opacus(s, q):
    from opacus.accountants import PRVAccountant, RDPAccountant
    from opacus.accountants.utils import get_noise_multiplier

    def epsilon(kind):
        accountant = kind()
        accountant.history = [(s["noiseMultiplier"], q, s["steps"])]
        return accountant.get_epsilon(delta=s["delta"])

    record(s, "epsilon", "opacus PRV", lambda: epsilon(PRVAccountant))
    record(s, "epsilon, rdp", "opacus RDP", lambda: epsilon(RDPAccountant))
    record(
        s,
        "noise multiplier",
        "opacus PRV",
        lambda: get_noise_multiplier(
            target_epsilon=s["targetEpsilon"],
            target_delta=s["delta"],
            sample_rate=q,
            steps=s["steps"],
            accountant="prv",
        ),
    )


for peer in (dp_accounting, prv_accountant, opacus):
    try:
        for each in settings:
            peer(each, each["batchSize"] / each["examples"])
        versions.append(f"{peer.__name__} {importlib.metadata.version(peer.__name__.replace('_', '-'))}")
    except ImportError as missing:
        versions.append(f"without {peer.__name__} ({missing})")

json.dump(dict(versions=", ".join(versions), results=results), sys.stdout)
