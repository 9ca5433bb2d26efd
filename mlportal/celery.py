"""The Celery application; `celery -A mlportal worker` and the `portal` command both start from it."""

import os

from celery import Celery

from mlportal import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mlportal.settings")

broker.register()
app = Celery("mlportal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
