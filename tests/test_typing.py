"""Public signatures have types; whether they are right, `make lint` asks mypy."""

import inspect
from importlib import resources

import pytest

import skdsm
import skdsm.display
import skdsm.onnx


def public_functions():
    for module in (skdsm, skdsm.display, skdsm.onnx):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value):
                yield name, value
            elif inspect.isclass(value):
                yield from methods_of(value)


def methods_of(cls):
    for parent in cls.__mro__:
        if not parent.__module__.startswith("skdsm"):
            continue
        for name, value in vars(parent).items():
            method = getattr(value, "__func__", value)
            if inspect.isfunction(method) and (name == "__init__" or name[0] != "_"):
                yield f"{parent.__name__}.{name}", method


FUNCTIONS = dict(public_functions())


def test_the_public_face_is_found():
    assert "DensityMixin.sample" in FUNCTIONS  # inherited
    assert "EnergyDisplay.from_estimator" in FUNCTIONS  # a class method
    assert "to_onnx" in FUNCTIONS
    assert len(FUNCTIONS) > 30


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_every_argument_and_result_has_a_type(function):
    signature = inspect.signature(inspect.unwrap(function))
    assert signature.return_annotation is not inspect.Signature.empty
    for name, parameter in signature.parameters.items():
        assert name in ("self", "cls") or parameter.annotation is not parameter.empty


def test_type_checkers_are_told_of_the_types():
    assert resources.files("skdsm").joinpath("py.typed").is_file()
