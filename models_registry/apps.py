from django.apps import AppConfig


class ModelsRegistryConfig(AppConfig):
    name = "models_registry"
    verbose_name = "Model registry"

    def ready(self) -> None:
        from experiments.services import snapshots, uploads
        from models_registry.models import ModelFile, Revision

        uploads.HOLDERS.append(lambda workspace: ModelFile.objects.filter(version__model__workspace=workspace))
        snapshots.USERS.append(Revision.objects.all)
