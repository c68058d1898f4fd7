from importlib.metadata import version

from fastapi.testclient import TestClient

from sigmasight_api.main import create_app


def test_live_answers_at_once_with_the_version() -> None:
    answer = TestClient(create_app()).get("/health/live")
    assert answer.status_code == 200
    assert answer.json() == {"status": "alive", "version": version("sigmasight")}


def test_an_unknown_path_is_absent() -> None:
    assert TestClient(create_app()).get("/health/dead").status_code == 404
