"""``import prefine`` is light, and what it offers is there."""

import subprocess
import sys

import pytest

import prefine


def test_importing_the_package_loads_no_dependency() -> None:
    heavy = {"polars", "pyarrow", "numpy", "pydantic", "faiss", "torch", "prefect", "rich"}
    script = f"import prefine, sys; dir(prefine); print(sorted({heavy} & sys.modules.keys()))"

    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)

    assert done.stdout.decode().strip() == "[]"


@pytest.mark.parametrize("name", sorted(prefine.__all__))
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(prefine, name)

    assert isinstance(value, str) if name == "__version__" else value.__doc__


def test_functions_stay_functions_whatever_is_imported_first() -> None:
    script = (
        "import prefine.api, prefine.cli, prefine\n"
        "from prefine import detect, load_recipe, open_run, plan, run\n"
        "assert all(map(callable, (detect, load_recipe, open_run, plan, run)))\n"
        "assert all(callable(getattr(prefine, name)) for name in ('plan', 'run', 'detect'))"
    )

    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nosuch'"):
        _ = prefine.nosuch  # pyright: ignore[reportAttributeAccessIssue]
