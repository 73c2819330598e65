"""Training steps whose numbers are compared between Keras backends: run here and on the other."""

import keras
import numpy as np

from pag_tf import models, zero_shot
from pag_tf.attacks import FGSM, NFGSM, PGD
from pag_tf.data.augmentation import Augmentation
from pag_tf.training import AdversarialModel
from pag_tf.training.optimizer import LayerwiseSGD

CLASSES = np.array([[1.0, 0, 0, 1, 0], [0, 2, 0, 0, 1], [0, 1, 1, 0, 0]])

# `(attack, options, steps of each call of fit)`: an attack without random start, whose weights are
# looked at after one and after three steps, and everything that draws random numbers at once. That
# is one call: Keras on JAX cannot continue a fit that ended with averaged weights.
RECIPES = {
    "fgsm": (FGSM("linf:8/255"), {}, (1, 2)),
    "everything": (
        NFGSM("linf:8/255", project=False),
        {
            "augment": Augmentation(shift=2),
            "eps_warmup_steps": 4,
            "clean_fraction": 0.25,
            "ema_momentum": 0.5,
        },
        (3,),
    ),
    "attributes": (FGSM("linf:8/255"), {}, (1, 2)),  # of a model with an attribute head
}
EVAL_ATTACK = PGD("linf:8/255", 2, seed=3)


def build():
    return models.build("resnet", 3, (8, 8, 3), widths=[4], blocks=[1], stem="conv")


def with_attributes(classifier):
    """The same features, and attributes whose weights are the same on every backend."""
    model = zero_shot.attribute_classifier(zero_shot.features_model(classifier), CLASSES)
    layer = model.get_layer("attributes")
    rng = np.random.default_rng(3)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.get_weights()])
    return model


def numbers(start):
    """Loss and weights of each recipe after each call of fit, and what `evaluate` says then."""
    images, labels = start["images"], start["labels"]
    weights = [start[f"weight_{i:02d}"] for i in range(len(build().weights))]
    found = {}
    for name, (attack, options, calls) in RECIPES.items():
        model = build()
        model.set_weights(weights)
        if name == "attributes":
            model = with_attributes(model)
        head = "attributes" if name == "attributes" else "logits"
        trainer = AdversarialModel(model, attack, eval_attack=EVAL_ATTACK, seed=7, **options)
        optimizer = LayerwiseSGD(
            0.1, factor=3, faster=[f"{head}/kernel"], momentum=0.9, nesterov=True
        )
        trainer.compile(optimizer, jit_compile=keras.backend.backend() == "jax")
        taken = 0
        for steps in calls:
            part = slice(8 * taken, 8 * (taken + steps))
            taken += steps
            fit = trainer.fit(images[part], labels[part], batch_size=8, shuffle=False, verbose=0)
            found[f"{name} {taken} loss"] = fit.history["loss"][0]
            for index, weight in enumerate(model.get_weights()):
                found[f"{name} {taken} weight {index}"] = weight
    evaluated = trainer.evaluate(images, labels, return_dict=True, verbose=0)
    found |= {f"evaluate {key}": value for key, value in evaluated.items()}
    return found
