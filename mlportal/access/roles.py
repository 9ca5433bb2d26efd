"""The three roles of a workspace, each including the one below."""

from django.db import models


class Role(models.TextChoices):
    """`Role.OWNER.includes(Role.READER)` is true; the order of the lines is the order of power."""

    READER = "reader", "Reader"
    CONTRIBUTOR = "contributor", "Contributor"
    OWNER = "owner", "Owner"

    def includes(self, other: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)
