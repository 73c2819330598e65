"""Accuracy, clean and under attack: counts of `pag_tf.attacks.robust_accuracy`."""

import functools

from pag_tf.measure.metrics import Metric, declare

_share = functools.partial(Metric, kind="accuracy", unit="percent", better="higher")

declare(
    _share(
        "clean_accuracy",
        title="clean accuracy",
        description="Share of images that are classified correctly.",
    )
)
declare(
    _share(
        "robust_accuracy",
        title="robust accuracy",
        source="Madry et al. 2018, arXiv 1706.06083",
        description="Share of images that one attack leaves classified correctly.",
    )
)
declare(
    _share(
        "worst_case_accuracy",
        title="worst-case accuracy",
        description="Share of images that no attack of the measurement breaks.",
    )
)
