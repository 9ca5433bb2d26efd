from django.contrib import admin

from mlportal.access.admin import RecordAdmin
from mlportal.blobs.models import Blob


@admin.register(Blob)
class BlobAdmin(RecordAdmin):
    list_display = ("digest", "size", "created_at")
    search_fields = ("digest__startswith",)
    date_hierarchy = "created_at"
