"""The flow: without a server, and deployed on a process worker against one."""

import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from prefine.planning import make_plan, publish_plan, run_plan
from prefine.recipe import load_recipe
from prefine.settings import Runtime
from tests.made import Environment, call, files, prefect_environment

pytestmark = pytest.mark.usefixtures("distilled")

PREFECT = [sys.executable, "-m", "prefect"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Generator[Environment]:
    """Start a Prefect server on a free port; yield the environment that talks to it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    env = prefect_environment(tmp_path_factory.mktemp("prefect"), PREFECT_API_URL=url)
    start = [*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(start, env=env, cwd=project, **quiet) as process:
        try:
            wait_for(f"{url}/health", process)
            yield env
        finally:
            process.terminate()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(retries=0)) as client:
        for _ in range(600):
            assert process.poll() is None, "the server ended"
            try:
                if client.get(url, timeout=1).is_success:
                    return
            except httpx.TransportError:
                try:
                    process.wait(timeout=0.2)
                except subprocess.TimeoutExpired:
                    continue
    pytest.fail(f"no answer from {url}")


def test_the_flow_without_a_server_writes_what_the_command_line_writes(
    project: Path, tmp_path: Path
) -> None:
    recipe = project / "pipelines/quickstart.yaml"
    runtime = Runtime(root=str(tmp_path / "root"), data=str(recipe.parent))
    plan = make_plan(load_recipe(recipe), runtime)
    run_plan(plan, runtime)
    publish_plan(plan, runtime, str(tmp_path / "out"))

    arguments = [sys.executable, "-m", "prefine_flows.curate", str(recipe)]
    arguments += ["--root", str(tmp_path / "root2"), "--output", str(tmp_path / "out2")]
    told = call(arguments, prefect_environment(tmp_path.parent / "prefect"), project)

    assert files(tmp_path / "out") == files(tmp_path / "out2")
    assert "Finished in state Completed()" in told


def test_a_deployment_on_a_worker_without_the_repository_curates_real_data(
    server: Environment, project: Path, real_data: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "worker"
    elsewhere.mkdir()
    call([*PREFECT, "work-pool", "create", "prefine", "--type", "process"], server, elsewhere)
    deploy = [*PREFECT, "deploy", "--prefect-file", str(project / "flows/prefect.yaml"), "--all"]
    assert "curate" in call(deploy, server, elsewhere)
    run = [*PREFECT, "deployment", "run", "curate/curate", "--watch"]
    for name, value in {
        "recipe": project / "pipelines/hh_rlhf.yaml",
        "root": tmp_path / "root",
        "output": tmp_path / "out",
        "data": real_data,
    }.items():
        run += ["--param", f"{name}={value}"]
    worker = [*PREFECT, "worker", "start", "--pool", "prefine", "--type", "process"]
    log = (tmp_path / "worker.log").open("wb")
    with (
        log,
        subprocess.Popen(worker, env=server, cwd=elsewhere, stdout=log, stderr=log) as process,
    ):
        try:
            told = call(run, server, elsewhere)
        finally:
            process.terminate()

    assert "Completed" in told, (tmp_path / "worker.log").read_text()
    assert (tmp_path / "out" / "manifest.json").exists()
    runtime = Runtime(root=str(tmp_path / "root2"), data=str(real_data))
    plan = make_plan(load_recipe(project / "pipelines/hh_rlhf.yaml"), runtime)
    run_plan(plan, runtime)
    publish_plan(plan, runtime, str(tmp_path / "out2"))
    assert files(tmp_path / "out") == files(tmp_path / "out2")

    url = server["PREFECT_API_URL"]
    artifacts = httpx.post(f"{url}/artifacts/filter", json={}).json()
    reasons = next(a for a in artifacts if a["key"] == "hh-rlhf-reasons")
    assert '"doubtful_label"' in reasons["data"]
    logs = httpx.post(f"{url}/logs/filter", json={"limit": 200}).json()
    lines = [entry["message"] for entry in logs if entry["name"].startswith("prefine")]
    assert any(line.startswith("step=pairs shard=0 event=end rows_in=2312") for line in lines)


@pytest.mark.parametrize("more", [[], ["--start", "rm"]])
def test_a_mistake_in_a_recipe_is_one_sentence(
    project: Path, tmp_path: Path, more: list[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text("name: made\nsources: [{name: a, file: b}]\n")
    arguments = [sys.executable, "-m", "prefine_flows.curate", str(tmp_path / "recipe.yaml")]
    arguments += ["--output", "out"]

    told = call(
        [*arguments, *more], prefect_environment(tmp_path.parent / "prefect"), project, expected=2
    )

    assert "unknown key `file`; did you mean `files`?" in told
    assert "Traceback" not in told


def test_only_a_service_error_is_tried_again() -> None:
    from prefect import State
    from prefect.states import Failed

    from prefine.errors import DataError, ServiceError
    from prefine_flows.curate import is_service_error

    def state(error: Exception) -> State:
        return Failed(data=error)

    assert is_service_error(None, None, state(ServiceError("away")))
    assert not is_service_error(None, None, state(DataError("wrong")))
    assert not is_service_error(None, None, state(ValueError("bug")))
