from django.apps import AppConfig


class ExperimentsConfig(AppConfig):
    name = "experiments"

    def ready(self) -> None:
        from experiments.services import install_curated
        from mlportal.access import services as access

        access.NEW_WORKSPACE.append(install_curated)
