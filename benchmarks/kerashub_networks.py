"""Networks of KerasHub with random weights, of sizes that a processor prunes fast."""

from typing import Any

_SHAPE = (64, 64, 3)


def resnet(*, pre_activation: bool = False) -> Any:
    from keras_hub.models import ResNetBackbone

    return ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[3, 4, 6, 3],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="bottleneck_block",
        use_pre_activation=pre_activation,
        image_shape=_SHAPE,
    )


def mit() -> Any:
    from keras_hub.models import MiTBackbone

    return MiTBackbone(
        layerwise_depths=[2, 2, 2, 2],
        num_layers=4,
        layerwise_num_heads=[1, 2, 5, 8],
        layerwise_sr_ratios=[8, 4, 2, 1],
        max_drop_path_rate=0.1,
        layerwise_patch_sizes=[7, 3, 3, 3],
        layerwise_strides=[4, 2, 2, 2],
        hidden_dims=[32, 64, 160, 256],
        image_shape=(128, 128, 3),
    )


def segformer() -> Any:
    from keras_hub.models import SegFormerBackbone, SegFormerImageSegmenter

    backbone = SegFormerBackbone(image_encoder=mit(), projection_filters=256)
    return SegFormerImageSegmenter(backbone=backbone, num_classes=6)


def deeplab() -> Any:
    from keras_hub.models import DeepLabV3Backbone, DeepLabV3ImageSegmenter

    backbone = DeepLabV3Backbone(
        image_encoder=resnet(),
        low_level_feature_key="P2",
        spatial_pyramid_pooling_key="P5",
        upsampling_size=8,
        dilation_rates=[6, 12, 18],
        image_shape=_SHAPE,
    )
    return DeepLabV3ImageSegmenter(backbone=backbone, num_classes=6, preprocessor=None)


def efficientnet() -> Any:
    from keras_hub.models import EfficientNetBackbone

    return EfficientNetBackbone(
        stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
        stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
        stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
        stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
        stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
        stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
        stackwise_squeeze_and_excite_ratios=[0.25] * 7,
        stackwise_block_types=["v1"] * 7,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        input_shape=_SHAPE,
    )


def efficientnet_v2() -> Any:
    from keras_hub.models import EfficientNetBackbone

    return EfficientNetBackbone(
        stackwise_kernel_sizes=[3, 3, 3, 3, 3, 3],
        stackwise_num_repeats=[1, 2, 2, 3, 5, 8],
        stackwise_input_filters=[32, 16, 32, 48, 96, 112],
        stackwise_output_filters=[16, 32, 48, 96, 112, 192],
        stackwise_expansion_ratios=[1, 4, 4, 4, 6, 6],
        stackwise_strides=[1, 2, 2, 2, 1, 2],
        stackwise_squeeze_and_excite_ratios=[0, 0, 0, 0.25, 0.25, 0.25],
        stackwise_block_types=["cba", "fused", "fused"] + ["unfused"] * 3,
        width_coefficient=1.0,
        depth_coefficient=1.0,
        input_shape=_SHAPE,
    )


def mobilenet() -> Any:
    from keras_hub.models import MobileNetBackbone

    return MobileNetBackbone(
        stackwise_expansion=[[40, 56], [64, 144, 144], [72, 72]],
        stackwise_num_blocks=[2, 3, 2],
        stackwise_num_filters=[[16, 16], [24, 24, 24], [24, 24]],
        stackwise_kernel_size=[[3, 3], [5, 5, 5], [5, 5]],
        stackwise_num_strides=[[2, 1], [2, 1, 1], [1, 1]],
        stackwise_se_ratio=[[None, None], [0.25, 0.25, 0.25], [0.3, 0.3]],
        stackwise_activation=[["relu"] * 2, ["hard_swish"] * 3, ["hard_swish"] * 2],
        stackwise_padding=[[1, 1], [2, 2, 2], [2, 2]],
        output_num_filters=96,
        depthwise_filters=8,
        depthwise_stride=2,
        depthwise_residual=False,
        squeeze_and_excite=0.5,
        last_layer_filter=64,
        image_shape=_SHAPE,
    )


def vit() -> Any:
    from keras_hub.models import ViTBackbone, ViTImageClassifier

    backbone = ViTBackbone(
        image_shape=_SHAPE,
        patch_size=16,
        num_layers=12,
        num_heads=3,
        hidden_dim=192,
        mlp_dim=768,
    )
    return ViTImageClassifier(backbone=backbone, num_classes=10, preprocessor=None)


NETWORKS = {
    "KerasHub DeepLabV3": deeplab,
    "KerasHub SegFormer": segformer,
    "KerasHub ResNet": resnet,
    "KerasHub ResNetV2": lambda: resnet(pre_activation=True),
    "KerasHub MiT": mit,
    "KerasHub EfficientNet": efficientnet,
    "KerasHub EfficientNetV2": efficientnet_v2,
    "KerasHub MobileNet": mobilenet,
    "KerasHub ViT": vit,
}
