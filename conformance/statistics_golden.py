"""Writes packages/eval/test/golden/statistics.json: distributions, intervals, tests and agreement from SciPy and statsmodels, and
Bradley-Terry and Elo of the released Vicuna ratings from scipy.optimize and NumPy.

Usage: python conformance/statistics_golden.py        (needs numpy, scipy, statsmodels; the file records their versions)
"""

import json
from pathlib import Path

import numpy as np
import scipy
import statsmodels
from scipy import optimize, stats
from statsmodels.stats.inter_rater import fleiss_kappa
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

GOLDEN = Path(__file__).resolve().parent.parent / "packages/eval/test/golden"


def distributions():
    probabilities = [1e-12, 1e-6, 0.001, 0.025, 0.2, 0.5, 0.6, 0.9, 0.975, 0.9995]
    dfs = [1, 2, 3, 4.5, 9, 30, 79, 1000]
    points = [-40, -8, -3.3, -1.7, -1, -0.01, 0, 0.3, 1.2, 1.8, 2.5, 6]
    return {
        "normalCdf": [[x, stats.norm.cdf(x)] for x in points],
        "normalQuantile": [[p, stats.norm.ppf(p)] for p in probabilities],
        "studentCdf": [[x, df, stats.t.cdf(x, df)] for x in points for df in dfs],
        "studentQuantile": [[p, df, stats.t.ppf(p, df)] for p in probabilities for df in dfs],
    }


def samples():
    rng = np.random.default_rng(1)
    a = rng.normal(3, 1, 12).round(3)
    b = (a + rng.normal(0.02, 0.1, 12)).round(3)
    interval = stats.t.interval(0.95, len(a) - 1, loc=a.mean(), scale=stats.sem(a))
    p, lower, upper = ttost_paired(a, b, -0.1, 0.1)
    x = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
    y = [2, 7, 1, 8, 2, 8, 1, 8, 2, 8]
    counts = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]]
    return {
        "a": a.tolist(),
        "b": b.tolist(),
        "interval95": list(interval),
        "sd": a.std(ddof=1),
        "tost": {"p": p, "lower": lower[1], "upper": upper[1], "different": stats.ttest_rel(a, b).pvalue},
        "wilson": [[k, n, level, *proportion_confint(k, n, 1 - level, "wilson")] for k, n, level in
                   [(7, 10, 0.95), (0, 8, 0.95), (8, 8, 0.9), (381, 1531, 0.95), (1, 1000, 0.99)]],
        "x": x,
        "y": y,
        "kendall": stats.kendalltau(x, y).statistic,
        "spearman": stats.spearmanr(x, y).statistic,
        "ranks": stats.rankdata(x).tolist(),
        "counts": counts,
        "fleiss": fleiss_kappa(counts),
        "quantiles": [[p, float(np.quantile(a, p))] for p in (0, 0.025, 0.5, 0.77, 1)],
    }


def ratings():
    files = json.loads((GOLDEN / "vicuna-ratings.json").read_text())["pairwise"]
    systems = sorted({s for f in files for s in (f["first"], f["second"])})
    score = {"1": 1.0, "2": 0.0, "3": 0.5}
    games = np.array([[systems.index(f["first"]), systems.index(f["second"]), score[v]]
                      for f in files for v in f["verdicts"] if v != "-"])
    first, second, s = games[:, 0].astype(int), games[:, 1].astype(int), games[:, 2]

    def fit(order_effect):
        def loss(w):
            z = w[first] - w[second] + (w[-1] if order_effect else 0.0)
            return np.sum(np.logaddexp(0, z) - s * z) + 1e-9 * np.sum(w[:-1]) ** 2
        w = optimize.minimize(loss, np.zeros(len(systems) + 1), method="BFGS", options={"gtol": 1e-5}).x
        strength = (w[:-1] - w[:-1].mean()) * 400 / np.log(10) + 1000
        return {"ratings": dict(zip(systems, strength.tolist())), "firstAdvantage": w[-1] * 400 / np.log(10) if order_effect else 0}

    def elo(sample, orderings):
        rng = np.random.default_rng(2)
        r = np.full((orderings, len(systems)), 1000.0)
        order = np.argsort(rng.random((orderings, len(s))), axis=1)[:, :sample]
        rows = np.arange(orderings)
        for g in order.T:
            a, b = first[g], second[g]
            change = 32 * (s[g] - 1 / (1 + 10 ** ((r[rows, b] - r[rows, a]) / 400)))
            r[rows, a] += change
            r[rows, b] -= change
        return {"sample": sample, "orderings": orderings, "mean": dict(zip(systems, r.mean(0).tolist())),
                "sd": dict(zip(systems, r.std(0, ddof=1).tolist()))}

    return {"bradleyTerry": fit(False), "orderEffect": fit(True), "elo": [elo(500, 4000), elo(len(s), 2000)]}


source = f"numpy {np.__version__}, scipy {scipy.__version__}, statsmodels {statsmodels.__version__}; conformance/statistics_golden.py"
golden = {"source": source, **distributions(), **samples(), **ratings()}
(GOLDEN / "statistics.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
