"""Fits scikit-learn's GaussianProcessRegressor: reads {train, test, restarts} from standard input, where rows end with the
target, and prints {mean, variance, seconds, detail}. The kernel is that of kriged's runs; inputs and target are standardised
by the training rows; bounds, start values and optimiser (L-BFGS-B) are scikit-learn's own. The seconds are those
of the processor, without imports and predicting."""

import json
import sys
import time
import warnings


def main():
    import numpy
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    job = json.load(sys.stdin)
    train, test = numpy.array(job["train"]), numpy.array(job["test"])
    x, y = train[:, :-1], train[:, -1]
    began = time.process_time()
    centre, spread = x.mean(0), x.std(0)
    spread[spread == 0] = 1
    kernel = ConstantKernel() * Matern(numpy.ones(x.shape[1]), nu=2.5) + WhiteKernel()
    model = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=job["restarts"], random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit((x - centre) / spread, y)
        seconds = time.process_time() - began
        mean, sd = model.predict((test - centre) / spread, return_std=True)
    parameters = {name: numpy.asarray(value).tolist() for name, value in model.kernel_.get_params().items()
                  if name in ("k1__k1__constant_value", "k1__k2__length_scale", "k2__noise_level")}
    json.dump({"mean": mean.tolist(), "variance": (sd**2).tolist(), "seconds": seconds,
               "detail": {"parameters": parameters, "evidence": model.log_marginal_likelihood_value_ / len(y)}}, sys.stdout)


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        import sklearn

        print(sklearn.__version__)
    else:
        main()
