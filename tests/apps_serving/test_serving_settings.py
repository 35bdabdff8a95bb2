"""Settings of both apps."""

import re
from pathlib import Path

import pytest

from apps.serving import settings
from apps.serving.settings import SettingError, from_environment

HOSTING = Path(__file__).parents[2] / "docs/hosting.md"


def test_the_docs_list_every_variable() -> None:
    section = HOSTING.read_text(encoding="utf-8").split("## Settings of both apps")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| (.*?) \|", section, re.MULTILINE))
    listed = {name for cell in named for name in re.findall(r"`(\w+)`", cell)}
    assert listed == {*settings.VARIABLES, "GRADIO_SERVER_NAME", "GRADIO_SERVER_PORT"}


@pytest.mark.parametrize("variable", [*settings.VARIABLES, "GRADIO_SERVER_PORT"])
@pytest.mark.parametrize("value", ["-1", "x", "99999999999999999999", "nan", "1e400"])
def test_invalid_values_get_one_sentence(variable: str, value: str) -> None:
    if variable == "ALLOWED_HOSTS":
        pytest.skip("any name may be a host's")
    with pytest.raises(SettingError, match=f"^{variable} is '{value}'; give "):
        from_environment({variable: value})


def test_an_invalid_port_is_refused() -> None:
    with pytest.raises(SettingError, match="GRADIO_SERVER_PORT is '99999'; give a whole number from 1 to 65535"):
        from_environment({"GRADIO_SERVER_PORT": "99999"})


def test_a_space_has_a_proxy_and_a_host_name() -> None:
    found = from_environment({"SPACE_HOST": "ada-app.hf.space", "ALLOWED_HOSTS": "Example.org, 10.0.0.1"})
    assert found.behind_proxy
    assert found.hosts == {"ada-app.hf.space", "example.org"}
    assert not from_environment({}).behind_proxy
    assert from_environment({}).hosts == frozenset()


def test_every_limit_is_read() -> None:
    environment = {"MAX_MINUTES": "2", "MAX_MEMORY_GB": "1.5", "MAX_FRAMES": "3", "MAX_WINDOWS": "4", "MAX_SCANS": "5"}
    limits = from_environment(environment | {"MAX_CPU_MINUTES": "3"}).job_limits
    assert (limits.seconds, limits.cpu_seconds, limits.memory) == (120, 180, 1_500_000_000)
    assert (limits.frames, limits.windows, limits.scans) == (3, 4, 5)
