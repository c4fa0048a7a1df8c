"""Loss and gradient of a chunk of rows, against its five matrix products and PyTorch.

The yardstick is what no implementation can do without: the five matrix products of a
chunk, of the same shapes, into the same kind of scratch memory. A second one, harder to
come close to, takes the products a few rows at a time, as the kernel does, because BLAS
is faster on small matrices. PyTorch evaluates the same loss by autograd, on the same
chunk. Everything runs on one thread.
"""

import argparse

import numpy as np
from common import describe_machine, median_ratios
from threadpoolctl import threadpool_limits

from skdsm._blocks import aligned_copy, aligned_empty
from skdsm.model.parameters import Parameters
from skdsm.training.empirical_risk import chunk_rows
from skdsm.training.loss_kernel import LossKernel, product_rows

try:
    import torch
except ImportError:
    torch = None


def products(parameters, X_noisy, dtype):
    """The five matrix products of loss and gradient, and nothing else."""
    W = aligned_copy(parameters.components, dtype)
    n, (m, d) = len(X_noisy), W.shape
    code, back = aligned_empty((n, m), dtype), aligned_empty((n, m), dtype)
    residual = aligned_empty((n, d), dtype)
    decoder, encoder = aligned_empty((m, d), dtype), aligned_empty((m, d), dtype)

    def run():
        np.matmul(X_noisy, W.T, out=code)
        np.matmul(code, W, out=residual)
        np.matmul(residual, W.T, out=back)
        np.matmul(code.T, residual, out=decoder)
        np.matmul(back.T, X_noisy, out=encoder)

    return run


def small_products(parameters, X_noisy, dtype, step):
    """The same, a few rows at a time, with contiguous right factors."""
    W = aligned_copy(parameters.components, dtype)
    W_transposed = aligned_copy(W.T, dtype)
    n, (m, d) = len(X_noisy), W.shape
    X = X_noisy.reshape(-1, step, d)
    code, back = (aligned_empty((n // step, step, m), dtype) for _ in range(2))
    residual = aligned_empty((n // step, step, d), dtype)
    sums = aligned_empty((n // step, m, d), dtype)

    def run():
        np.matmul(X, W_transposed, out=code)
        np.matmul(code, W, out=residual)
        np.matmul(residual, W_transposed, out=back)
        np.matmul(code.transpose(0, 2, 1), residual, out=sums)
        np.matmul(back.transpose(0, 2, 1), X, out=sums)

    return run


def autograd(parameters, X_noisy, X):
    """Loss and gradient by PyTorch."""
    W, b, c, _ = (
        torch.tensor(block, dtype=torch.from_numpy(X).dtype).requires_grad_()
        for block in parameters
    )
    clean, noisy = torch.from_numpy(X), torch.from_numpy(X_noisy)

    def run():
        residual = torch.sigmoid(noisy @ W.T + b) @ W + c - clean
        loss = 0.5 * (residual**2).sum()
        return torch.autograd.grad(loss, (W, b, c))

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, nargs="*", default=[10, 32, 100, 300])
    parser.add_argument("--components", type=int, nargs="*", default=[128, 256])
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--repeats", type=int, default=25)
    args = parser.parse_args()
    describe_machine()
    dtype = np.dtype(args.dtype)
    if torch is None:
        print("PyTorch is not installed: its column is left out.")
    else:
        torch.set_num_threads(1)
    print(
        f"{args.dtype}, one thread; medians of ratios in turn\n"
        "   d    m   rows    ns/row   dsm / products   ism / products   "
        "dsm / small products   dsm / PyTorch"
    )
    rng = np.random.default_rng(0)
    for m in args.components:
        for d in args.features:
            n = chunk_rows(m, d, dtype)
            parameters = Parameters(
                rng.standard_normal((m, d)) / np.sqrt(d),
                *map(np.zeros, (m, d)),
                np.ones(m),
            )
            X = aligned_copy(rng.standard_normal((n, d)), dtype)
            X_noisy = aligned_copy(X + 0.5 * rng.standard_normal((n, d)), dtype)
            trace_weight = np.full(n, 0.25, dtype)
            kernel = LossKernel(n, m, d, dtype)
            kernel.begin(parameters)

            def dsm(kernel=kernel, X_noisy=X_noisy, X=X):
                kernel.add(X_noisy, X)

            def ism(kernel=kernel, X_noisy=X_noisy, trace_weight=trace_weight):
                kernel.add(X_noisy, X_noisy, trace_weight)

            timed = {"products": products(parameters, X_noisy, dtype)}
            timed |= {"dsm": dsm, "ism": ism}
            step = product_rows(n, m, d)
            timed["small products"] = small_products(parameters, X_noisy, dtype, step)
            if torch is not None:
                timed["torch"] = autograd(parameters, X_noisy, X)
            with threadpool_limits(1):
                ratios = median_ratios(timed, repeats=args.repeats)
            against = "-"
            if torch is not None:
                against = f"{ratios['dsm'][1] / ratios['torch'][1]:.2f}"
            print(
                f"{d:4d} {m:4d} {n:6d} {1e9 * ratios['dsm'][0] / n:9.0f} "
                f"{ratios['dsm'][1]:16.2f} {ratios['ism'][1]:16.2f} "
                f"{ratios['dsm'][1] / ratios['small products'][1]:22.2f} "
                f"{against:>15s}"
            )


if __name__ == "__main__":
    main()
