"""How a version's maps compare with the COM: the figures beside the maps."""

from __future__ import annotations

import math

import numpy as np

from stream_rrvae.maps.statistics import TURN_RAD, angle_agreement, pearson
from stream_rrvae.messages import Float32Array

Quality = dict[str, float | list[float]]


def agreement_with_com(
    rotation: Float32Array, latents: Float32Array, com_y: Float32Array, com_x: Float32Array
) -> Quality:
    """Figures over positions [n]; `latents` is [n_latents, n]. Angles are weighted by the COM magnitude.

    The COM is that of what a model sees (`preparation.com_beside`): relative to the scan's mean, without descan.

    `angle_error_deg` is after the best sense and offset; `angle_error_mod120_deg` and `..._mod180_deg`
    forgive what three- or twofold shapes cannot tell apart; `angle_offset_deg` is the offset taken out.
    """
    magnitude, direction = np.hypot(com_y, com_x), np.arctan2(com_y, com_x)
    whole = angle_agreement(rotation, direction, magnitude)
    third = angle_agreement(rotation, direction, magnitude, TURN_RAD / 3)
    half = angle_agreement(rotation, direction, magnitude, TURN_RAD / 2)
    return {
        "pearson_latent_com": [pearson(latent, magnitude) for latent in latents],
        "circular_correlation_rotation_com": whole.correlation,
        "angle_error_deg": math.degrees(whole.error_rad),
        "angle_offset_deg": math.degrees(whole.offset_rad),
        "angle_error_mod120_deg": math.degrees(third.error_rad),
        "angle_error_mod180_deg": math.degrees(half.error_rad),
    }
