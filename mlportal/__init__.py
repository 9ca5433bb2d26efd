"""The Django project, and what both apps stand on."""

from mlportal.celery import app as celery_app

__all__ = ["celery_app"]
