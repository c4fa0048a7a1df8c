"""Fitted models as ONNX graphs."""

from skdsm.onnx.converter import OUTPUTS, register_converter, to_onnx

__all__ = ["OUTPUTS", "register_converter", "to_onnx"]
