"""Fills a database with runs as they are after years of use, for those who measure lists of them.

    python -m benchmarks.many_runs 100000

writes into the database of the settings (MLPORTAL_HOME, DATABASE_URL), which has been migrated, into the workspace
`many-runs`. The runs are in four experiments of 70, 20, 9 and 1 % of them; each has five metrics, five parameters and three
tags. The same number gives the same runs.
"""

from __future__ import annotations

import os
import random
import sys
from datetime import UTC, datetime, timedelta

import django

SHARES = {"sweep": 0.70, "team/churn": 0.20, "nightly": 0.09, "few": 0.01}
METRICS = ("accuracy", "loss", "auc", "f1", "seconds")
STATUSES = ("Completed",) * 90 + ("Failed",) * 8 + ("Canceled",) * 2
WORKSPACE = "many-runs"
PEOPLE = ("ada", "grace", "edsger")
BATCH = 2000
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def fill(count: int, *, seed: int = 1) -> None:
    """Adds the workspace, its people, its experiments and `count` runs. Numbers of runs count up in their experiment."""
    from django.db import transaction

    from experiments.models import Experiment, Metric, Parameter, Run, Tag
    from experiments.services.table_statistics import renew_table_statistics
    from mlportal.access.models import Membership, User, Workspace

    chance = random.Random(seed)
    workspace = Workspace.objects.create(name=WORKSPACE)
    people = [User.objects.create_user(name) for name in PEOPLE]
    Membership.objects.bulk_create(
        Membership(workspace=workspace, user=person, role="contributor") for person in people
    )
    experiments = [
        Experiment.objects.create(workspace=workspace, name=name, last_number=0, created_by=people[0])
        for name in SHARES
    ]
    chosen = chance.choices(experiments, weights=list(SHARES.values()), k=count)
    for start in range(0, count, BATCH):
        with transaction.atomic():
            runs = []
            for place, experiment in enumerate(chosen[start : start + BATCH], start):
                experiment.last_number += 1
                began = BEGIN + timedelta(minutes=5 * place)
                runs.append(
                    Run(
                        workspace=workspace,
                        experiment=experiment,
                        number=experiment.last_number,
                        name=f"{chance.choice(('brave', 'calm', 'eager', 'proud'))}-{place % 997}",
                        status=chance.choice(STATUSES),
                        script="train.py",
                        arguments=["--kernel", "rbf"],
                        created_by=chance.choice(people),
                        created_at=began,
                        started_at=began + timedelta(seconds=5),
                        ended_at=began + timedelta(seconds=5 + chance.expovariate(1 / 600)),
                    )
                )
            Run.objects.bulk_create(runs)
            metrics, parameters, tags = [], [], []
            for run in runs:
                good = chance.random()
                values = (
                    good,
                    1 - good + chance.random() / 100,
                    chance.random(),
                    chance.random(),
                    chance.random() * 900,
                )
                for name, value in zip(METRICS, values, strict=True):
                    spread = chance.random() * value
                    metrics.append(
                        Metric(
                            run=run,
                            name=name,
                            count=100,
                            first_step=0,
                            last=value,
                            last_step=99,
                            last_time=run.created_at.timestamp(),
                            least=value - spread,
                            least_step=50,
                            most=value + spread,
                            most_step=20,
                            total=100 * value,
                        )
                    )
                chosen_values = {
                    "kernel": chance.choice(("rbf", "linear", "poly", "sigmoid")),
                    "C": f"{10 ** chance.uniform(-3, 3):.4g}",
                    "gamma": str(chance.choice((0.1, 0.01, 0.001))),
                    "seed": str(run.number),
                    "data": "iris",
                }
                parameters += [Parameter(run=run, name=name, value=value) for name, value in chosen_values.items()]
                labels = {
                    "team": chance.choice(("blue", "red", "green")),
                    "ticket": f"ML-{chance.randrange(5000)}",
                    "note": f"tried {chance.choice(('again', 'once', 'for the report'))} on {run.created_at:%Y-%m-%d}",
                }
                tags += [Tag(run=run, name=name, value=value) for name, value in labels.items()]
            Metric.objects.bulk_create(metrics)
            Parameter.objects.bulk_create(parameters)
            Tag.objects.bulk_create(tags)
    Experiment.objects.bulk_update(experiments, ["last_number"])
    renew_table_statistics()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlportal.settings")
    django.setup()
    fill(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
