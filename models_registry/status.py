"""The statuses of a deployment and the table of legal moves. The names are Azure's, plus Stopped. And what a replica is."""

from collections.abc import Mapping

from django.db import models


class DeploymentStatus(models.TextChoices):
    TRANSITIONING = "Transitioning", "Starting"
    HEALTHY = "Healthy", "Healthy"
    UNHEALTHY = "Unhealthy", "Unhealthy"
    FAILED = "Failed", "Failed"
    STOPPED = "Stopped", "Stopped"


D = DeploymentStatus
DEPLOYMENT_MOVES: Mapping[DeploymentStatus, frozenset[DeploymentStatus]] = {
    D.TRANSITIONING: frozenset({D.HEALTHY, D.UNHEALTHY, D.FAILED, D.STOPPED}),
    D.HEALTHY: frozenset({D.TRANSITIONING, D.UNHEALTHY, D.FAILED, D.STOPPED}),
    D.UNHEALTHY: frozenset({D.TRANSITIONING, D.HEALTHY, D.FAILED, D.STOPPED}),
    D.FAILED: frozenset({D.TRANSITIONING, D.STOPPED}),
    D.STOPPED: frozenset({D.TRANSITIONING}),
}
DEPLOYMENT_COLOURS: Mapping[DeploymentStatus, str] = {
    D.TRANSITIONING: "blue",
    D.HEALTHY: "green",
    D.UNHEALTHY: "orange",
    D.FAILED: "red",
    D.STOPPED: "secondary",
}


class ReplicaState(models.TextChoices):
    PREPARING = "preparing", "Preparing"
    STARTING = "starting", "Starting"
    READY = "ready", "Ready"
    SILENT = "silent", "Does not answer"
    WAITING = "waiting", "Starts again"
    FAILED = "failed", "Given up"
    LEAVING = "leaving", "Leaving"


R = ReplicaState
REPLICA_COLOURS: Mapping[ReplicaState, str] = {
    R.PREPARING: "blue",
    R.STARTING: "blue",
    R.READY: "green",
    R.SILENT: "orange",
    R.WAITING: "orange",
    R.FAILED: "red",
    R.LEAVING: "secondary",
}
