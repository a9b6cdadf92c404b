"""Input: from an event's text to a pydantic model, or to a Problem that says what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from shop_common.problems import Fault, Problem, invalid, malformed

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

Model = TypeVar("Model", bound="Input")  # not PEP 695: hosts with Python 3.11 run this code as well


class Input(BaseModel):
    """Base of everything that callers send: unknown members are refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


def read_body(event: APIGatewayProxyEvent, model: type[Model]) -> Model:
    """Read the JSON body of a request.

    Raises:
        Problem: 400 when there is no body or it is not JSON; 422 when it is JSON of another shape.

    """
    try:
        text = event.decoded_body
    except ValueError as error:
        raise malformed("The body is not UTF-8 text.") from error
    if not text:
        raise malformed("This request needs a JSON body.")
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        if any(fault["type"] == "json_invalid" for fault in error.errors(include_input=False)):
            raise malformed("The body is not valid JSON.") from error
        raise _problem(error, "The body does not fit.") from error


def read_query(event: APIGatewayProxyEvent, model: type[Model]) -> Model:
    """Read the query string of a request; of a parameter given twice the last one counts.

    Raises:
        Problem: 422 when a parameter is unknown, missing or out of range.

    """
    try:
        return model.model_validate(dict(event.query_string_parameters))
    except ValidationError as error:
        raise _problem(error, "The query string does not fit.") from error


def _problem(error: ValidationError, detail: str) -> Problem:
    # The input is left out: it may hold what must not be repeated in logs or answers.
    faults = [
        Fault(pointer=_pointer(fault["loc"]), detail=fault["msg"])
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return invalid(detail, faults)


def _pointer(location: tuple[int | str, ...]) -> str:
    return "#" + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)
