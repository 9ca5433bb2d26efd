"""A process that submits: `submitter.py <user> <workspace> <snapshot> <environment version> <how many>`."""

import os
import sys

import django

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "mlportal.settings"
    django.setup()
    from experiments import services
    from experiments.models import EnvironmentVersion, Snapshot
    from mlportal.access.models import User, Workspace

    user, workspace, snapshot, version, count = map(int, sys.argv[1:])
    numbers = [
        services.submit_run(
            Workspace.objects.get(pk=workspace),
            experiment="busy",
            snapshot=Snapshot.objects.get(pk=snapshot),
            environment_version=EnvironmentVersion.objects.get(pk=version),
            script="train.py",
            by=User.objects.get(pk=user),
        ).number
        for _ in range(count)
    ]
    sys.stdout.write(" ".join(map(str, numbers)))
