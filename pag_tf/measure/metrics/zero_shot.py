"""Recognition of seen and unseen classes: averages over classes by `pag_tf.zero_shot.evaluate`."""

import functools

from pag_tf.measure.metrics import Metric, declare

_share = functools.partial(Metric, kind="zero_shot", unit="percent", better="higher")
_XIAN = "Xian et al. 2018, arXiv 1707.00600"

declare(
    _share(
        "T1",
        title="T1",
        description="Class-averaged accuracy on unseen classes when only these compete.",
        source=_XIAN,
    )
)
declare(
    _share(
        "S",
        title="S",
        description="Class-averaged accuracy on seen classes when all classes compete; a constant "
        "chosen on seen classes is subtracted from the scores of these (calibrated stacking).",
        source=_XIAN,
    )
)
declare(
    _share(
        "U",
        title="U",
        description="Class-averaged accuracy on unseen classes when all classes compete.",
        source=_XIAN,
    )
)
declare(
    _share("H", title="H", description="Harmonic mean of S and U.", source=_XIAN),
)
declare(
    _share(
        "ausuc",
        title="AUSUC",
        source="Chao et al. 2016, arXiv 1605.04253",
        description="Area under the seen-unseen curve, whatever constant is chosen.",
    )
)
