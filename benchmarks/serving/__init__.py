"""Serving, beside what else serves a scikit-learn model by HTTP: the same model, the same rows, in turn, in one run.

    python -m benchmarks.serving
    python -m benchmarks.serving --only ours,bare --rounds 3 --seconds 2 --parts speed

The peers are those of PyPI, pinned in `requirements/`, each in an environment of its own, with one worker.
"""
