"""Data that runs read: the workspace's store of files, datasets made of files, and which run was given which dataset."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from experiments.models.runs import Run
from mlportal.access.models import Workspace
from mlportal.access.querysets import WorkspaceScoped
from mlportal.blobs.models import Blob
from mlportal.uid import new_uid

dataset_name = RegexValidator(
    r"\A[A-Za-z0-9_][A-Za-z0-9_. -]{0,254}\Z",
    "1 to 255 letters, digits, blanks, hyphens, dots or underscores; it starts with a letter, a digit or an underscore.",
)


class UploadedBlob(models.Model):
    """Bytes that somebody sent to a workspace and that no row names yet; forgotten after a day."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="+")
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="+")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["workspace", "blob"], name="one_upload_per_blob")]

    def __str__(self) -> str:
        return f"{self.blob} in {self.workspace}"


class DataFileQuerySet(WorkspaceScoped["DataFile"]):
    pass


class DataFile(models.Model):
    """A file of the workspace's data store, by its path; unlike a dataset's, its content can be replaced."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="data_files")
    path = models.CharField(max_length=1024)
    # Names equal but for case cannot lie in one folder everywhere; of a fixed length, because indexes have limits.
    key = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the case-folded path")
    folder = models.CharField(max_length=1024, editable=False, help_text="The path's folder; empty at the top")
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="+")
    size = models.BigIntegerField()
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")

    objects = DataFileQuerySet.as_manager()

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(fields=["workspace", "key"], name="one_data_file_per_key"),
            models.UniqueConstraint(fields=["workspace", "path"], name="one_data_file_per_path"),
        ]
        indexes = [models.Index(fields=["workspace", "folder"], name="data_files_by_folder")]

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class DatasetKind(models.TextChoices):
    """Azure's FileDataset and TabularDataset."""

    FILE = "file", "Files"
    TABULAR = "tabular", "Table"


class DatasetQuerySet(WorkspaceScoped["Dataset"]):
    pass


class Dataset(models.Model):
    """The name of a dataset, and how far its versions have been counted."""

    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="datasets")
    name = models.CharField(max_length=255, validators=[dataset_name])
    last_version = models.PositiveIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["workspace", "name"], name="one_dataset_per_name")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("dataset", args=[self.workspace.name, self.name])


class DatasetVersionQuerySet(WorkspaceScoped["DatasetVersion"]):
    pass


class DatasetVersion(models.Model):
    """Files under their names, and how a client reads them. It never changes: what a run was given can be looked up."""

    uid = models.CharField(max_length=32, unique=True, default=new_uid, editable=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="dataset_versions")
    dataset = models.ForeignKey(
        Dataset,
        models.SET_NULL,
        null=True,
        related_name="versions",
        help_text="Empty: it has no name, or its name was deleted while runs kept it",
    )
    name = models.CharField(max_length=255, blank=True, help_text="As its dataset was named; empty: never had a name")
    version = models.PositiveIntegerField(null=True)
    kind = models.CharField(max_length=20, choices=DatasetKind.choices, default=DatasetKind.FILE)
    description = models.TextField(blank=True, max_length=5000)
    tags = models.JSONField(default=dict, blank=True)
    definition = models.JSONField(default=dict, blank=True, help_text="The client's own: how the files are read")
    digest = models.CharField(max_length=64, editable=False, help_text="Of kind, definition, names and content")
    file_count = models.PositiveIntegerField()
    size = models.BigIntegerField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    touched_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="When it was last made again or given to a run"
    )

    objects = DatasetVersionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "version"], name="one_dataset_version_per_number"),
            models.CheckConstraint(condition=Q(kind__in=DatasetKind.values), name="dataset_kind_is_known"),
        ]
        indexes = [models.Index(fields=["workspace", "digest"], name="dataset_versions_by_digest")]

    def __str__(self) -> str:
        return f"{self.name}:{self.version}" if self.name else self.uid

    def get_absolute_url(self) -> str:
        return reverse("dataset-version", args=[self.workspace.name, self.uid])


class DatasetFile(models.Model):
    """A file of a dataset's version."""

    dataset_version = models.ForeignKey(DatasetVersion, models.CASCADE, related_name="files")
    path = models.CharField(max_length=1024)
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="+")
    size = models.BigIntegerField()

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["dataset_version", "path"], name="one_dataset_file_per_path")]

    def __str__(self) -> str:
        return self.path


class InputMode(models.TextChoices):
    """What Azure's `as_named_input`, `as_mount` and `as_download` ask for; here the files lie in the run's folder for all."""

    DIRECT = "direct", "Direct"
    MOUNT = "mount", "Mount"
    DOWNLOAD = "download", "Download"


class RunInput(models.Model):
    """A dataset that a run was given, under the name by which its script asks for it."""

    run = models.ForeignKey(Run, models.CASCADE, related_name="inputs")
    name = models.CharField(max_length=100)
    mode = models.CharField(max_length=20, choices=InputMode.choices, default=InputMode.DIRECT)
    dataset_version = models.ForeignKey(DatasetVersion, models.PROTECT, related_name="inputs")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["run", "name"], name="one_input_per_name"),
            models.CheckConstraint(condition=Q(mode__in=InputMode.values), name="input_mode_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ← {self.dataset_version}"
