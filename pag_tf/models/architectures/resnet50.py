"""ResNet-50 (He et al. 2015, arXiv 1512.03385) for RGB images of at least 32x32 pixels."""

from pag_tf.models import register
from pag_tf.models.normalized_applications import application

register("resnet50")(
    application(
        "resnet50",
        "ResNet50",
        parameters=23_587_712,
        features=2048,
        first_layer="conv1_conv",
    )
)
