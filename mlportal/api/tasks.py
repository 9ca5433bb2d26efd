from celery import shared_task

from mlportal.api import idempotency


@shared_task(name="mlportal.forget_answers")
def forget_answers() -> None:
    idempotency.forget_answers()
