"""Markdown tables of results: means over the splits, and paired differences from the peer with their standard error."""

import math
import statistics

from methods import METHODS, PEER

MEASURES = ("rmse", "nlpd", "crps")


def mean(fits, measure):
    return statistics.fmean(fit[measure] for fit in fits.values())


def difference(fits, others, measure):
    """Mean over the splits that both have of fits - others, and its standard error (NaN for one split)."""
    both = sorted(fits.keys() & others.keys())
    if not both:
        return None
    differences = [fits[split][measure] - others[split][measure] for split in both]
    error = statistics.stdev(differences) / math.sqrt(len(both)) if len(both) > 1 else math.nan
    return statistics.fmean(differences), error


def against(fits, others, measure, relative=False):
    """The paired difference in words: nothing where there is no peer."""
    found = difference(fits, others, measure)
    if fits is others or not found:
        return ""
    unit, sign = (100 / mean(others, measure), " %") if relative else (1, "")
    digits = 1 if relative else 3
    return f"{unit * found[0]:+.{digits}f} ± {unit * found[1]:.{digits}f}{sign}"


def line(*cells):
    return "| " + " | ".join(cells) + " |"


def head(*cells):
    return [line(*cells), line(*["---"] * len(cells)).replace(" ", "")]


def long(results, names):
    """Every measure of every method of every setting."""
    out = head("set", "method", "splits", "RMSE", "NLPD", "CRPS", "95 % coverage", "seconds", "NLPD - peer", "CRPS - peer")
    for name in (one for one in names if one in results):
        found = results[name]
        first = next(iter(next(iter(found.values())).values()))
        title = f"{name}, n = {first['rows']}, d = {first['features']}"
        peer = found.get(PEER, {})
        for method in (one for one in METHODS if one in found):
            fits = found[method]
            out.append(line(title, method, str(len(fits)), *(f"{mean(fits, m):.4g}" for m in MEASURES), f"{100 * mean(fits, 'coverage'):.1f} %",
                            f"{mean(fits, 'seconds'):.1f}", against(fits, peer, "nlpd"), against(fits, peer, "crps", True)))
            title = ""
    return "\n".join(out)


def short(results, names):
    """NLPD / CRPS by setting and method, over the splits that all methods of a setting have."""
    out = head("set", "n", "splits", *METHODS)
    for name in (one for one in names if one in results):
        found = results[name]
        first = next(iter(next(iter(found.values())).values()))
        common = set.intersection(*(set(fits) for fits in found.values()))
        same = {method: {split: fits[split] for split in common} for method, fits in found.items()}
        out.append(line(name, str(first["rows"]), str(len(common)), *(
            f"{mean(same[m], 'nlpd'):.3f} / {mean(same[m], 'crps'):.3g}" if common and m in same else "" for m in METHODS)))
    return "\n".join(out)
