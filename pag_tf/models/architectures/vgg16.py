"""The convolutions of VGG16 (Simonyan & Zisserman 2014, arXiv 1409.1556) and a linear layer."""

from pag_tf.models import register
from pag_tf.models.normalized_applications import application

register("vgg16")(
    application(
        "vgg16",
        "VGG16",
        parameters=14_714_688,
        features=512,
        first_layer="block1_conv1",
    )
)
