import dataclasses
from pathlib import Path

import pytest
import yaml

from pag_tf import zoo
from pag_tf.core.threat_model import ThreatModel
from pag_tf.zoo import card, hub_metadata, places

hub = pytest.importorskip("huggingface_hub")


def front(text):
    return yaml.safe_load(text.split("---\n")[1])


def rendered(entry, existing=None):
    return card.render(entry, flags_text="", existing=existing)


@pytest.fixture(scope="module")
def entry(pristine):
    return zoo.read_entry(pristine)


def with_front(text):
    return f"---\n{text}\n---\n"


def test_the_front_matter_of_a_new_card(pristine):
    text = (pristine / "README.md").read_text()
    assert text.split("model-index:")[0].splitlines() == [
        "---",
        "license: apache-2.0",
        "library_name: keras",
        "pipeline_tag: image-classification",
        "tags:",
        "- keras",
        "- perceptually-aligned-gradients",
        "- adversarial-training",
        "- eps-2-255",
        "- linf",
        "- shapes",
    ]
    assert front(text)["model-index"] == [
        {
            "name": "shapes-resnet-linf-2-255",
            "results": [
                {
                    "task": {"type": "image-classification", "name": "Image classification"},
                    "dataset": {"type": "shapes", "name": "shapes, 3 classes", "split": "test"},
                    "metrics": [
                        {
                            "type": "accuracy",
                            "value": 0.75,
                            "name": "Clean accuracy",
                            "args": {
                                "name": "clean_accuracy",
                                "images": 200,
                                "command": "python scripts/evaluate.py --model=zoo/tiny",
                                "correct": 150,
                            },
                        },
                        {
                            "type": "accuracy",
                            "value": 0.375,
                            "name": "Robust accuracy (PGD, 50 steps, 2 restarts, linf:2/255)",
                            "args": {
                                "name": "robust_accuracy",
                                "images": 200,
                                "command": "python scripts/evaluate.py --model=zoo/tiny "
                                "--attack='pgd|50'",
                                "correct": 75,
                                "attack": "PGD(steps=50, restarts=2)",
                                "threat_model": "linf:2/255",
                            },
                        },
                    ],
                }
            ],
        }
    ]


@pytest.mark.parametrize("entry", places.bundled(), ids=lambda entry: entry.id)
def test_the_hubs_client_reads_the_same_numbers_back(entry, tmp_path):
    text = rendered(entry)
    read = hub.ModelCard(text).data
    assert (read.license, read.library_name) == (entry.license, "keras")
    assert read.pipeline_tag == "image-classification"
    assert read.tags == list(hub_metadata.tags(entry))
    assert read.model_name == entry.id
    results = read.eval_results
    assert [result.metric_value for result in results] == [m.value for m in entry.metrics]
    assert len(results) == len(entry.metrics) > 0
    for result, metric in zip(results, entry.metrics, strict=True):
        assert (result.task_type, result.metric_type) == ("image-classification", "accuracy")
        assert (result.dataset_type, result.dataset_split) == (entry.dataset, "test")
        assert f"{len(entry.class_names)} classes" in result.dataset_name
        assert result.metric_name == hub_metadata.title(metric)
        assert zoo.Metric.from_json(result.metric_args | {"value": result.metric_value}) == metric
    (tmp_path / "README.md").write_text(text)
    loaded = hub.metadata_load(tmp_path / "README.md")
    assert hub.repocard_data.model_index_to_eval_results(loaded["model-index"]) == (
        entry.id,
        results,
    )
    # Written by the client, the card says the same to it and to us.
    again = str(hub.ModelCard(text))
    assert hub.ModelCard(again).data.eval_results == results
    assert rendered(entry, rendered(entry, again)) == rendered(entry, again)


def test_metrics_are_grouped_by_split_and_typed_by_name(entry):
    def metric(name, command):
        return zoo.Metric(name=name, value=0.25, images=4, command=command)

    evaluate = "python scripts/evaluate.py"
    entry = dataclasses.replace(
        entry,
        metrics=(
            metric("clean_accuracy", f"{evaluate} '--split=test[:4]'"),
            metric("gt_known", "python mine.py"),
            metric("top1_accuracy", f"{evaluate} '--split=test[:4]' --eps=0"),
        ),
    )
    results = hub.ModelCard(rendered(entry)).data.eval_results
    found = [(r.dataset_split, r.metric_type, r.metric_name) for r in results]
    assert found == [
        ("test[:4]", "accuracy", "Clean accuracy"),
        ("test[:4]", "accuracy", "Top1 accuracy"),
        (None, "gt_known", "Gt known"),
    ]


@pytest.mark.parametrize(
    ("command", "split"),
    [
        ("python scripts/evaluate.py --dataset=shapes", "test"),
        ("python scripts/evaluate.py '--split=test[:1000]' --eps=0", "test[:1000]"),
        ("python scripts/evaluate.py --split validation", "validation"),
        ("python scripts/evaluate.py --split", None),
        ("python other.py", None),
        ("python other.py --split=train", "train"),
        ("an 'open quote --split=test", None),
    ],
)
def test_the_split_is_the_one_that_the_command_tells(command, split):
    assert hub_metadata.split_of(command) == split


def test_the_default_split_is_the_programs_own():
    from pag_tf.measure import EvaluateConfig

    assert EvaluateConfig().split == hub_metadata.DEFAULT_SPLIT
    root = Path(__file__).resolve().parents[2]
    assert (root / hub_metadata.MEASURING_SCRIPT).is_file()


@pytest.mark.parametrize(
    ("attack", "threat", "title"),
    [
        (None, None, "Robust accuracy"),
        ("PGD(linf:2/255, steps=1, restarts=1)", "2/255", "PGD, 1 step, 1 restart, linf:2/255"),
        ("FGSM(linf:2/255)", "linf:2/255", "FGSM, linf:2/255"),
        ("by hand (slowly)", None, "by hand (slowly)"),
        ("APGD(l2:0.5, steps=100)", "l2:0.5", "APGD, 100 steps, l2:0.5"),
    ],
)
def test_the_title_names_attack_and_threat_model(attack, threat, title):
    metric = zoo.Metric(
        name="robust_accuracy",
        value=0.5,
        images=2,
        command="x",
        attack=attack,
        threat_model=None if threat is None else ThreatModel.parse(threat),
    )
    assert hub_metadata.title(metric) == (title if attack is None else f"Robust accuracy ({title})")


def test_tags_of_people_are_kept_and_ours_of_another_epsilon_are_not(entry):
    theirs = "tags: [birds, eps-8-255, l2, natural-training, keras, eps-ilon, 2020, birds, shapes]"
    tags = front(rendered(entry, with_front(theirs)))["tags"]
    assert tags == [*hub_metadata.tags(entry), "birds", "eps-ilon", 2020]
    text = with_front("tags: birds")
    for threat in ("linf:8/255", "l2:0.5", "l2:1e20", "linf:0", "linf:2/255"):
        entry = dataclasses.replace(entry, threat=threat)
        text = rendered(entry, text)
    assert front(text)["tags"] == [*hub_metadata.tags(entry), "birds"]


def test_keys_of_people_are_kept_and_ours_are_updated(entry):
    theirs = "language: en\nlicense: mit # for now\ndatasets:\n- me/shapes\npipeline_tag: other"
    text = rendered(entry, with_front(theirs) + "Mine.")
    assert text.startswith(
        "---\nlanguage: en\nlicense: apache-2.0\ndatasets:\n- me/shapes\n"
        "pipeline_tag: image-classification\nlibrary_name: keras\ntags:\n"
    )
    assert hub.ModelCard(text).data.datasets == ["me/shapes"]


def test_other_models_in_the_index_are_kept(entry, metrics):
    others = [{"name": name, "results": []} for name in ("before", "after")]
    old = [others[0], {"name": entry.id, "results": [{"old": 1}]}, others[1]]
    index = front(rendered(entry, with_front(yaml.safe_dump({"model-index": old}))))["model-index"]
    assert [model["name"] for model in index] == ["before", entry.id, "after"]
    assert index[1]["results"] == hub_metadata.results(entry)
    unmeasured = dataclasses.replace(entry, metrics=())
    index = front(rendered(unmeasured, with_front(yaml.safe_dump({"model-index": old}))))
    assert index["model-index"] == others
    alone = with_front(yaml.safe_dump({"model-index": old[1:2]}))
    assert "model-index" not in rendered(unmeasured, alone)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tags: {a: b}", "tags in the front matter .* expected a list of texts, found dict"),
        ("tags: 3", "tags .* found int"),
        (
            "model-index: mine",
            "model-index .* expected a list with 'name' and 'results', found str",
        ),
        ("model-index: [mine]", "model-index .* expected a list"),
    ],
)
def test_keys_of_another_form_are_refused_with_a_remedy(entry, text, message):
    with pytest.raises(ValueError, match=f"{message}.*Fix it by hand, or delete it.*Nothing"):
        rendered(entry, with_front(text))
