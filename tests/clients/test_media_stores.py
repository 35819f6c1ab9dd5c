"""Where pictures lie: in a folder, and, where one is set, in a bucket, here that of a local service that speaks S3."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from flask import Flask
from flask.testing import FlaskClient
from moto.server import ThreadedMotoServer

from service import settings
from service.bucket import Bucket
from service.clients import media
from service.errors import RetryLater
from service.settings import Settings
from service.web import faults
from service.web import media as serving
from service.web.security import secure
from tests.clients.pictures import drawing, from_a_camera, photograph, saved

PICTURE = saved(drawing(300, 200), "PNG")


@pytest.fixture(scope="module")
def cloud() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def inside(cloud: str) -> Any:
    """The service's own view of the bucket."""
    client = boto3.client(
        "s3", endpoint_url=cloud, region_name="eu-central-1", aws_access_key_id="key", aws_secret_access_key="canary"
    )
    with suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for one in client.list_objects_v2(Bucket="pictures").get("Contents", []):
        client.delete_object(Bucket="pictures", Key=one["Key"])
    return client


@pytest.fixture
def wired(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of a home of its own; `bucket` as given."""
    base = settings.load({"BROADSHEET_HOME": str(tmp_path / "home")})

    def wire(bucket: Bucket | None = None, home: str = "home") -> Settings:
        chosen = replace(base, bucket=bucket, home=tmp_path / home)
        settings.configure(chosen)
        return chosen

    return wire


def bucket(endpoint: str, **words: str) -> Bucket:
    return Bucket(**{"name": "pictures", "endpoint": endpoint, "region": "eu-central-1", "access_key_id": "key", "secret_access_key": "canary", **words})  # fmt: skip


def client_of(chosen: Settings) -> FlaskClient:
    """The part of the web application that serves pictures; it asks no database."""
    settings.configure(chosen)
    app = Flask("broadsheet")
    app.register_blueprint(serving.blueprint)
    faults.register(app)
    app.after_request(secure)
    return app.test_client()


def test_one_picture_is_kept_once_under_the_hash_of_its_bytes(wired: Callable[..., Settings]) -> None:
    chosen = wired()
    first, second = media.store(PICTURE, called="a.png"), media.store(PICTURE, called="b.png")
    assert first == second
    [path] = chosen.media.iterdir()
    assert path.name == first.name == hashlib.sha256(path.read_bytes()).hexdigest()


def test_looking_at_a_picture_keeps_nothing(wired: Callable[..., Settings]) -> None:
    chosen = wired()
    assert media.inspect(PICTURE, called="a.png").width == 300
    assert not chosen.media.exists()


@pytest.mark.parametrize("content", [PICTURE, from_a_camera(photograph(600, 400))])
def test_a_picture_is_served_for_ever_as_what_it_is(wired: Callable[..., Settings], content: bytes) -> None:
    chosen = wired()
    name = media.store(content, called="a").name
    answer = client_of(chosen).get(f"/media/{name}")
    assert answer.status_code == 200
    assert hashlib.sha256(answer.data).hexdigest() == name
    assert answer.headers["Content-Type"] == ("image/png" if content is PICTURE else "image/jpeg")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers
    again = client_of(chosen).get(f"/media/{name}", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_a_bucket_keeps_pictures_with_their_type_and_another_machine_serves_them(
    wired: Callable[..., Settings], cloud: str, inside: Any
) -> None:
    chosen = wired(bucket(cloud))
    name = media.store(PICTURE, called="a.png").name
    kept = inside.get_object(Bucket="pictures", Key=f"media/{name}")
    assert hashlib.sha256(kept["Body"].read()).hexdigest() == name
    assert (kept["ContentType"], kept["CacheControl"]) == ("image/png", "public, max-age=31536000, immutable")
    assert (chosen.media / name).is_file(), "the folder has a copy"
    elsewhere = wired(bucket(cloud), "another")
    assert client_of(elsewhere).get(f"/media/{name}").status_code == 200
    assert (elsewhere.media / name).is_file(), "and so has the other machine's, from now on"


def test_what_a_bucket_does_not_have_is_not_there(wired: Callable[..., Settings], cloud: str, inside: Any) -> None:
    chosen = wired(bucket(cloud))
    assert client_of(chosen).get(f"/media/{'a' * 64}").status_code == 404


def test_other_bytes_than_were_stored_are_served_to_nobody(
    wired: Callable[..., Settings], cloud: str, inside: Any
) -> None:
    chosen = wired(bucket(cloud))
    name = hashlib.sha256(PICTURE).hexdigest()
    inside.put_object(Bucket="pictures", Key=f"media/{name}", Body=PICTURE + b"<script>")
    assert client_of(chosen).get(f"/media/{name}").status_code == 404
    assert not (chosen.media / name).exists()


def test_a_bucket_that_is_away_is_told_at_storing_and_nothing_is_kept(wired: Callable[..., Settings]) -> None:
    chosen = wired(bucket("http://127.0.0.1:9"))
    with pytest.raises(RetryLater) as told:
        media.store(PICTURE, called="a.png")
    assert "'pictures'" in str(told.value)
    assert "check MEDIA_ENDPOINT" in str(told.value)
    assert "canary" not in str(told.value)
    assert not chosen.media.exists()


def test_a_bucket_that_is_away_is_no_missing_picture(wired: Callable[..., Settings]) -> None:
    chosen = wired(bucket("http://127.0.0.1:9"))
    answer = client_of(chosen).get(f"/media/{'a' * 64}")
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert "immutable" not in answer.headers["Cache-Control"]


def test_a_copy_in_the_folder_is_served_while_the_bucket_is_away(wired: Callable[..., Settings]) -> None:
    wired()
    name = media.store(PICTURE, called="a.png").name
    chosen = wired(bucket("http://127.0.0.1:9"))
    assert client_of(chosen).get(f"/media/{name}").status_code == 200


def test_a_bucket_that_is_not_there_is_named(wired: Callable[..., Settings], cloud: str) -> None:
    wired(bucket(cloud, name="no-such-bucket"))
    with pytest.raises(RetryLater, match=r"'no-such-bucket' .* check MEDIA_BUCKET"):
        media.store(PICTURE, called="a.png")
