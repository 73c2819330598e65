"""Tables of results: every measured value once, below each other."""

from pag_tf.measure import metrics, schema
from pag_tf.programs import result_table


def share(key, value, interval=None, *, kind="zero_shot", method="", subset="all", images=40):
    about = metrics.metric(kind, key)
    return schema.Value(about, method, subset, value, interval, images)


def test_columns_stand_below_each_other():
    found = [
        share("T1", 0.5, (0.25, 0.75), method="ale"),
        share("H", None, method="ale"),
        share("T1", 1.0, (0.5, 1.0), method="attribute_classifier-predicted_unseen", images=7),
    ]
    lines = result_table.table(found).splitlines()
    assert [line.split() for line in lines] == [
        ["all", "95", "%", "interval", "better"],
        ["ale"],
        ["images", "40"],
        ["T1", "50.0", "%", "[25.0,", "75.0]", "higher"],
        ["attribute_classifier-predicted_unseen"],
        ["images", "7"],
        ["T1", "100.0", "%", "[50.0,", "100.0]", "higher"],
    ]
    first, second = lines[3], lines[6]
    assert first.index("%") == second.index("%")
    assert first.index("[") == second.index("[") == lines[0].index("95")
    assert first.index("higher") == second.index("higher") == lines[0].index("better")


def test_small_and_large_objects_have_columns_and_numbers_of_images():
    found = [
        share("gt_known", part, interval, kind="localization", subset=subset, images=images)
        for subset, part, interval, images in (
            ("all", 0.5, (0.4, 0.6), 1200),
            ("small", 0.25, None, 900),
            ("large", 1.0, None, 300),
        )
    ]
    found.append(share("top1", 0.75, (0.7, 0.8), kind="localization", images=1200))
    lines = [line.split() for line in result_table.table(found).splitlines()]
    assert lines == [
        ["all", "95", "%", "interval", "small", "large", "better"],
        ["images", "1,200", "900", "300"],
        ["GT-known", "50.0", "%", "[40.0,", "60.0]", "25.0", "%", "100.0", "%", "higher"],
        ["top-1", "accuracy", "75.0", "%", "[70.0,", "80.0]", "higher"],
    ]


def test_a_new_metric_is_shown_in_its_unit():
    about = metrics.Metric("gap", "alignment", "a gap", better="lower")
    found = [schema.Value(about, "", "all", 0.12345, (0.1, 0.2), 5)]
    assert result_table.table(found).splitlines()[-1].split() == [
        *("a", "gap", "0.123", "[0.100,", "0.200]", "lower")
    ]


def test_all_numbers_of_a_result_are_printed(capsys):
    right = {"correct": 3, "accuracy": 0.75}
    result = {
        **{"kind": "accuracy", "schema": 1, "command": "c", "config": {}, "entry": "mine"},
        **{"images": 4, "clean": right, "attacks": [{"attack": "PGD(x)", **right}]},
        "seconds": 12.3,
    }
    result_table.print_result(result, "on test of shapes", "A note.")
    lines = capsys.readouterr().out.splitlines()
    assert "mine on test of shapes" in lines and "A note." in lines and "12 seconds" in lines
    robust = lines.index("PGD(x)")
    assert lines[robust + 2].split()[:4] == ["robust", "accuracy", "75.0", "%"]
