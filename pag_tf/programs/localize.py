"""Measures how well a model's heat maps localize, and draws the best, median and worst images.

    pag-localize --dataset=shapes --eps=2/255 --output=results/shapes-2
    pag-localize --entry=runs/mine/entry --method=grad_cam --output=results/mine-cam
    pag-localize --dataset=shapes --model=mine.keras --threshold=0.2 --heatmap=plain
    pag-localize --dataset=cub --method=smoothgrad --method_options='{"samples": 8}'

An interrupted run continues with the same command and --resume.
"""

from __future__ import annotations

from absl import flags

from pag_tf.core import dataclass_flags
from pag_tf.measure import LocalizeConfig
from pag_tf.programs.result_table import print_result


def main(_: list[str]) -> None:
    """Flags to LocalizeConfig to one library call."""
    from pag_tf.measure import localize

    config = dataclass_flags.read(LocalizeConfig)
    result = localize(config, resume=flags.FLAGS.resume, overwrite=flags.FLAGS.overwrite)
    used, settings = result["config"], result["localization"]["settings"]
    chosen = settings["chosen_threshold"]
    where = f"chosen on {chosen['images']:,} images of {chosen['split']}" if chosen else "given"
    print_result(
        result,
        f"on {used['split']} of {used['dataset']}: {used['method']} of the {used['target']} class, "
        f"{used['heatmap']} heat maps,\nthreshold {settings['threshold']:g} ({where}); small "
        f"objects cover less than {100 * settings['small_below']:.0f} % of the image",
    )
    if config.output:
        print(f"Look at {config.output}/contact_sheet.png; result.json holds every setting.")


def run() -> None:
    """Starts the program with the arguments of the command line."""
    dataclass_flags.define(LocalizeConfig)
    flags.DEFINE_bool("resume", False, "Continue the run in --output, or start it.")
    flags.DEFINE_bool("overwrite", False, "Delete the run in --output and start over.")
    dataclass_flags.run(main)
