"""botocore's models, read our way: the same data."""

from __future__ import annotations

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from penstock.adapters.aws.models import ModelLoader


@pytest.mark.parametrize("service", ["apigateway", "lambda", "s3", "ssm"])
def test_models_are_those_that_botocore_reads_itself(service: str) -> None:
    for kind in ("service-2", "endpoint-rule-set-1"):
        assert ModelLoader().load_service_model(service, kind) == Loader().load_service_model(service, kind)


def test_an_unknown_service_is_refused_as_botocore_does() -> None:
    with pytest.raises(UnknownServiceError):
        ModelLoader().load_service_model("nowhere", "service-2")
