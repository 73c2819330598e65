"""Measures how well a model's heat maps localise, and draws the best, median and worst images.

    python scripts/localize.py --dataset=shapes --eps=2/255 --output=results/shapes-2
    python scripts/localize.py --entry=runs/mine/entry --method=grad_cam --output=results/mine-cam
    python scripts/localize.py --dataset=shapes --model=mine.keras --threshold=0.2 --heatmap=plain
    python scripts/localize.py --dataset=cub --method=smoothgrad --method_options='{"samples": 8}'

A run that was killed goes on with the same command and --resume.
"""

from __future__ import annotations

from typing import Any

from absl import flags

from pag_tf.core import dataclass_flags
from pag_tf.measure import LocalizeConfig

dataclass_flags.define(LocalizeConfig)
_RESUME = flags.DEFINE_bool(
    "resume", False, "Go on with the run in --output (start it if there is none)."
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Delete the run in --output and start again.")

# What is told of all images, and of those with small and with large objects.
_ROWS = {
    "gt_known": "GT-known",
    "top1_loc": "Top-1 Loc",
    "top5_loc": "Top-5 Loc",
    "mean_iou": "mean IoU",
    "energy_in_box": "energy in box",
    "pointing_game": "pointing game",
    "center_box": "centred box",
}
_BENCHMARK = {"max_box_acc": "MaxBoxAcc", "max_box_acc_v2": "MaxBoxAccV2"}


def table(result: dict[str, Any]) -> str:
    """The numbers of a result as text, in percent, with the interval of those of all images."""
    found = result["localization"]
    settings, by_size = found["settings"], found["by_size"]
    share = f"{100 * settings['small_below']:.0f} %"
    head = ["", "all", "", f"below {share}", f"from {share}"]
    lines = [head, ["images", *_counts(found, by_size)]]
    for name, title in _ROWS.items():
        if found[name] is not None:
            low, high = (100 * end for end in found["intervals"][name])
            sizes = [_percent(by_size[size][name]) for size in ("small", "large")]
            lines.append([title, _percent(found[name]), f"[{low:.1f}, {high:.1f}]", *sizes])
    for name, title in _BENCHMARK.items():
        if found[name] is not None:
            sizes = [_percent(by_size[size][name]) for size in ("small", "large")]
            lines.append([title, _percent(found[name]), "", *sizes])
    if found["pxap"] is not None:
        lines.append(["PxAP", _percent(found["pxap"]), "", "", ""])
    for name, counted in result["clean"].items():
        title = name.replace("top", "top-") + " accuracy"
        lines.append([title, _percent(counted["accuracy"]), "", "", ""])
    return "\n".join(
        f"{line[0]:16}{line[1]:>8}  {line[2]:14}{line[3]:>12}{line[4]:>12}".rstrip()
        for line in lines
    )


def _counts(found: dict[str, Any], by_size: dict[str, Any]) -> list[str]:
    small, large = (by_size[size]["images"] for size in ("small", "large"))
    return [f"{found['images']:,}", "", f"{small:,}", f"{large:,}"]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _threshold(settings: dict[str, Any]) -> str:
    chosen = settings["chosen_threshold"]
    where = f"chosen on {chosen['images']:,} images of {chosen['split']}" if chosen else "given"
    return f"threshold {settings['threshold']:g} ({where})"


def main(_: list[str]) -> None:
    """Flags to LocalizeConfig to one library call."""
    from pag_tf.measure import localize

    config = dataclass_flags.read(LocalizeConfig)
    result = localize(config, resume=_RESUME.value, overwrite=_OVERWRITE.value)
    used = result["config"]
    print(
        f"\n{result.get('entry') or result['model']} on {used['split']} of {used['dataset']}: "
        f"{used['method']} of the {used['target']} class, {used['heatmap']} heat maps,\n"
        f"{_threshold(result['localization']['settings'])}; in percent, with "
        f"{100 * result['localization']['settings']['confidence']:.0f} % intervals, by the "
        f"object's share of the image\n\n{table(result)}\n\n{result['seconds']:.0f} seconds"
    )
    if config.output:
        print(f"Look at {config.output}/contact_sheet.png; result.json holds every setting.")


if __name__ == "__main__":
    dataclass_flags.run(main)
