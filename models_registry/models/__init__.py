"""Everything from a registered model on, as rows."""

from models_registry.models.deployments import Deployment, DeploymentEvent, RequestLog
from models_registry.models.golden import GoldenReplay, GoldenRequest
from models_registry.models.monitoring import ReplicaMeasure, ServiceMeasure, ServiceTotal
from models_registry.models.registry import ModelAlias, ModelFile, ModelVersion, RegisteredModel, Stage
from models_registry.models.replicas import ServiceLoad, ServiceReplica
from models_registry.models.revisions import Part, Revision
from models_registry.models.samples import TrainingSample
from models_registry.models.sampling import ActualValue, DriftReport, SampledRequest, Watch
from models_registry.models.serving import ServingLease
from models_registry.models.traffic import Disagreement, MirrorCount, Served

__all__ = [
    "ActualValue",
    "Deployment",
    "DeploymentEvent",
    "Disagreement",
    "DriftReport",
    "GoldenReplay",
    "GoldenRequest",
    "MirrorCount",
    "ModelAlias",
    "ModelFile",
    "ModelVersion",
    "Part",
    "RegisteredModel",
    "ReplicaMeasure",
    "RequestLog",
    "Revision",
    "SampledRequest",
    "Served",
    "ServiceLoad",
    "ServiceMeasure",
    "ServiceReplica",
    "ServiceTotal",
    "ServingLease",
    "Stage",
    "TrainingSample",
    "Watch",
]
