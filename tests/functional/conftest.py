"""What the tests of soft values share."""

import pytest
import torch
from soft_world import WORLDS, World


@pytest.fixture
def double_precision():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(params=WORLDS, ids=str)
def world(request):
    return World(*request.param)
