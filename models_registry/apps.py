from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    name = "models_registry"
    verbose_name = "Model registry"

    def ready(self) -> None:
        from experiments.services import purging, retention, snapshots, space, uploads
        from mlportal import health
        from models_registry.models import ModelFile, ModelVersion, Revision, TrainingSample
        from models_registry.services.lineage import keep_lineage, names_of_versions
        from models_registry.services.monitoring import exposition

        of_models = (
            lambda workspace: ModelFile.objects.filter(version__model__workspace=workspace),
            lambda workspace: TrainingSample.objects.filter(version__model__workspace=workspace),
        )
        uploads.HOLDERS.extend(of_models)
        space.KINDS["models"] = of_models
        snapshots.USERS.append(Revision.objects.all)
        snapshots.USERS.append(ModelVersion.objects.all)
        retention.KEPT.append(lambda: ModelVersion.objects.exclude(run=None))
        purging.BEFORE.append(keep_lineage)
        purging.MODELS.append(names_of_versions)
        health.MORE.append(exposition)
