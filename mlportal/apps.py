from django.apps import AppConfig


class MlportalConfig(AppConfig):
    name = "mlportal"

    def ready(self) -> None:
        from mlportal import checks  # noqa: F401  (registers the system checks)
