"""kill -9 of the worker that deletes for good: nobody sees a run again, and the next worker ends it."""

from __future__ import annotations

import json

import pytest

from tests.portal import Client, Portal, wait_until

pytestmark = [pytest.mark.slow]
RUNS, FILES = 500, 10  # so many files that the request leaves all of it to a worker
SEED = f"""
import io
from django.db import transaction
from django.utils import timezone
from experiments.models import Artifact, Experiment, Metric, Run
from mlportal.access.models import Workspace
from mlportal.blobs import services as blobs
lab = Workspace.objects.get(name="default")
with transaction.atomic():
    place = Experiment.objects.create(workspace=lab, name="many")
    blob = blobs.put(io.BytesIO(b"deleted"))
    asked = dict(workspace=lab, experiment=place, status="Completed", ended_at=timezone.now(), deleted_at=timezone.now())
    top = Run.objects.create(number=0, **asked)
    Run.objects.bulk_create([Run(number=n, parent=top, **asked) for n in range(1, {RUNS})], batch_size=200)
    runs = list(Run.objects.filter(experiment=place).only("pk"))
    files = [Artifact(run=run, path=f"outputs/{{n}}", blob=blob, size=7) for run in runs for n in range({FILES})]
    Artifact.objects.bulk_create(files, batch_size=200)
    Metric.objects.bulk_create([Metric(run=run, name="m", last=1, count=1) for run in runs], batch_size=200)
"""
LEFT = """
import hashlib, json
from datetime import timedelta
from django.utils import timezone
from experiments.models import Artifact, Metric, Purge, Run
from mlportal.access.models import AuditEvent
from mlportal.blobs import services as blobs
from mlportal.blobs.models import Blob
blobs.delete_unreferenced(timezone.now() + timedelta(days=1))
print(json.dumps({
    "runs": Run.objects.filter(experiment__name="many").count(),
    "rows": Artifact.objects.filter(run__experiment__name="many").count() + Metric.objects.filter(name="m").count(),
    "told": AuditEvent.objects.filter(action="run.purged").count(),
    "blobs": Blob.objects.filter(pk=hashlib.sha256(b"deleted").hexdigest()).count(),
}))
"""


def test_what_was_begun_is_ended_by_the_next_worker(portal: Portal, client: Client) -> None:
    portal.manage("shell", "-v", "0", "-c", SEED)
    rows = client.get("trash/")["results"]
    assert [row["children"] for row in rows if row["experiment"] == "many"] == [RUNS - 1]
    (top,) = [row["id"] for row in rows if row["experiment"] == "many"]
    begun = client.post("trash/purges/", {"runs": [top]})
    assert begun["ended_at"] is None
    portal.kill("worker")
    assert client.http.get(f"{client.base}/runs/{top}/").status_code == 404
    assert client.get("trash/")["results"] == []
    wait_until(lambda: client.get(f"trash/purges/{begun['id']}/")["ended_at"], what="the purge has ended", seconds=90)
    left = json.loads(portal.manage("shell", "-v", "0", "-c", LEFT).strip().splitlines()[-1])
    assert left == {"runs": 0, "rows": 0, "told": 1, "blobs": 0}
