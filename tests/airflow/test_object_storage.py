"""Extract and load through a real object store: an S3-compatible server on this machine."""

from __future__ import annotations

import json

import pytest

from airflow_provider_bigin.operators.extract import BiginExtractToFileOperator
from airflow_provider_bigin.operators.load import BiginLoadFromFileOperator
from bigin_client.errors import RejectedRecordsError, SettingsError

pytestmark = pytest.mark.usefixtures("bigin_default")


@pytest.fixture(scope="module")
def s3():
    """Return a client of the store; the bucket is ``lake``."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    _host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="any",
        aws_secret_access_key="any-secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="lake")
    client.endpoint = f"http://127.0.0.1:{port}"
    yield client
    server.stop()


@pytest.fixture(autouse=True)
def lake(s3, monkeypatch):
    """Make the store the Airflow connection ``lake``; the shell has no credentials for it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(
        "AIRFLOW_CONN_LAKE",
        json.dumps(
            {
                "conn_type": "aws",
                "login": "any",
                "password": "any-secret",
                "extra": {"endpoint_url": s3.endpoint, "region_name": "us-east-1"},
            }
        ),
    )
    return s3


def keys(s3, prefix=""):
    found = s3.list_objects_v2(Bucket="lake", Prefix=prefix).get("Contents", [])
    return sorted(o["Key"] for o in found)


def read(s3, key):
    return s3.get_object(Bucket="lake", Key=key)["Body"].read()


def test_extract_state_and_load(bigin_default, tasks, lake):
    def extract(run):
        return BiginExtractToFileOperator(
            task_id="extract",
            module="Contacts",
            output_path="s3://lake/bigin",
            storage_conn_id="lake",
            state_path="s3://lake/state",
            max_rows_per_file=100,
            report_html=f"s3://lake/pages/{run}.html",
        ).execute(tasks.context(run))

    first = extract("run-1")
    names = [k.rpartition("/")[2] for k in keys(lake, "bigin/")]
    assert names == ["_manifest.json", *(f"part-0000{i}.jsonl" for i in range(3))]
    lines = b"".join(read(lake, k) for k in keys(lake, "bigin/") if k.endswith(".jsonl"))
    ids = {json.loads(line)["id"] for line in lines.split(b"\n") if line}
    assert ids == {r["id"] for r in bigin_default.store.records("Contacts")}
    assert len(keys(lake, "state/")) == 1
    assert keys(lake, "pages/") == ["pages/run-1.html"]
    bigin_default.clock.advance(600)
    assert extract("run-2")["rows"] == 0
    loaded = BiginLoadFromFileOperator(
        task_id="load",
        module="Contacts",
        input_path=first["manifest"],
        storage_conn_id="lake",
        match_on="id",
    ).execute(tasks.context())
    assert loaded["outcomes"]["unchanged"] == len(ids)


def test_rejects_and_checkpoint_are_kept_there_too(tasks, lake):
    rows = [{"Last_Name": "A", "Email": "a@example.org"}, {"Email": "bad@example.org"}]
    lake.put_object(Bucket="lake", Key="in.jsonl", Body="\n".join(map(json.dumps, rows)).encode())
    with pytest.raises(RejectedRecordsError):
        BiginLoadFromFileOperator(
            task_id="load",
            module="Contacts",
            input_path="s3://lake/in.jsonl",
            storage_conn_id="lake",
            match_on="Email",
            rejects_path="s3://lake/rejects",
            checkpoint_path="s3://lake/checkpoints",
        ).execute({k: v for k, v in tasks.context().items() if k != "task_state_store"})
    (part,) = keys(lake, "rejects/")
    assert json.loads(read(lake, part))["field"] == "Last_Name"
    assert len(keys(lake, "checkpoints/")) == 1


def test_mapped_tasks_do_not_share_a_state_file(tasks):
    operator = BiginExtractToFileOperator(
        task_id="extract",
        module="Contacts",
        output_path="s3://lake/bigin",
        storage_conn_id="lake",
        state_path="s3://lake/state.json",
    )
    with pytest.raises(SettingsError, match="Name a folder"):
        operator.execute(tasks.context(map_index=0))


def test_a_store_that_airflow_does_not_know(tasks):
    operator = BiginExtractToFileOperator(
        task_id="extract", module="Contacts", output_path="nowhere://lake/bigin"
    )
    with pytest.raises(SettingsError, match="Install the Airflow provider"):
        operator.execute(tasks.context())
