"""Inputs of Gradio's functions: those that do not fit are refused with a sentence, and not logged as failures."""

from collections.abc import Iterable
from typing import Any

from apps.serving.gradio_api import gr
from apps.serving.refusal import RequestRefusedError

_SHOWN = 40  # characters of a visitor's text


def check_names(page: Any, endpoint: str, names: Iterable[str]) -> None:  # gr.Blocks, which comes without types
    """Check the parameters of a call by names. Raises RequestRefusedError if one is unknown or missing."""
    found = page.get_api_info()["named_endpoints"].get(f"/{endpoint}")
    if not found:
        raise RequestRefusedError(404, "this function does not exist; see the API page")
    has_default = {info["parameter_name"]: info["parameter_has_default"] for info in found["parameters"]}
    given = set(names)
    for name in given - has_default.keys():
        raise RequestRefusedError(400, f"there is no parameter {name[:_SHOWN]!r}; see the API page")
    for name in [name for name in has_default if not (has_default[name] or name in given)]:
        raise RequestRefusedError(400, f"the parameter {name!r} is missing; see the API page")


def refuse_unfit(page: Any) -> None:
    """Replace a page's conversion of inputs, whose errors quote Python, by one that raises a gr.Error."""
    convert = page.preprocess_data

    async def converted(*arguments: Any, **options: Any) -> list[Any]:
        try:
            inputs: list[Any] = await convert(*arguments, **options)
            return inputs
        except gr.Error as error:  # by a component, for a person
            raise gr.Error(error.message, print_exception=False) from None
        except (TypeError, ValueError):
            raise gr.Error("A value does not fit its parameter; see the API page.", print_exception=False) from None

    page.preprocess_data = converted
