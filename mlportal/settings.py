"""All settings, each from the environment with a default that suits one machine. `docs/settings.md` is made from this file."""

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dj_database_url
from csp.constants import SELF, UNSAFE_INLINE

from mlportal import env
from mlportal.secret import read_or_make_secret

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = Path(env.text("MLPORTAL_HOME", str(BASE_DIR / "var"))).resolve()
HOME.mkdir(mode=0o700, parents=True, exist_ok=True)

# --- Where it listens, and for whom
BIND = env.text("MLPORTAL_BIND", "127.0.0.1:8000")
PUBLIC_URL = env.text("MLPORTAL_PUBLIC_URL", "http://" + BIND.replace("0.0.0.0", "127.0.0.1")).rstrip("/")
DEBUG = env.boolean("MLPORTAL_DEBUG", False)
SECRET_KEY = env.text("MLPORTAL_SECRET_KEY") or read_or_make_secret(HOME / "secret.key")
ALLOWED_HOSTS = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    BIND.rpartition(":")[0],
    urlsplit(PUBLIC_URL).hostname or "localhost",
    *env.words("MLPORTAL_ALLOWED_HOSTS"),
]
HTTPS = PUBLIC_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "mlportal_session"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "style-src": [SELF, UNSAFE_INLINE],  # plotly writes a <style> element for its charts
        "img-src": [SELF, "data:", "blob:"],
        "object-src": ["'none'"],
        "base-uri": [SELF],
        "frame-ancestors": [SELF],
        "form-action": [SELF],
    }
}

# --- The application
INSTALLED_APPS = [
    "mlportal",
    "mlportal.access",
    "mlportal.api",
    "mlportal.blobs",
    "experiments",
    "models_registry",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "mlportal.pages.static.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "mlportal.api.middleware.ApiMiddleware",
    "mlportal.middleware.PortalErrorMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "mlportal.urls"
ASGI_APPLICATION = "mlportal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mlportal.context.portal",
            ],
        },
    }
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- People
AUTH_USER_MODEL = "access.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "login", "/", "login"
AXES_FAILURE_LIMIT = env.integer("MLPORTAL_LOGIN_ATTEMPTS", 10, least=1)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/locked_out.html"
AXES_VERBOSE = False

# --- The three that leave the embedded default
DATABASE_URL = env.text("DATABASE_URL", f"sqlite:///{HOME / 'portal.sqlite3'}")
BROKER_URL = env.text("BROKER_URL", "filesystem://")
STORAGE_URL = env.text("STORAGE_URL", f"file://{HOME / 'storage'}")

# Through a pooler of transactions a session's cursors and prepared statements are somebody else's at the next transaction.
_POOLED = env.boolean("MLPORTAL_DATABASE_POOLED", False)
DATABASES = {"default": dj_database_url.parse(DATABASE_URL, disable_server_side_cursors=_POOLED)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # Deferred transactions that turn into writers fail at once with "database is locked", whatever the timeout.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=268435456;",
    }
    # Several processes write at once in the tests, which an in-memory database cannot show.
    DATABASES["default"]["TEST"] = {"NAME": str(HOME / f"test-{os.getpid()}.sqlite3")}


def _blob_storage(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme == "s3":
        # A plus is a plus: secret keys have them, and nobody writes %2B.
        query = {key: values[0] for key, values in parse_qs(parts.query.replace("+", "%2B")).items()}
        return {
            "BACKEND": "mlportal.blobs.s3.ObjectStorage",
            "OPTIONS": {
                "bucket_name": parts.netloc,
                "location": parts.path.strip("/"),
                "file_overwrite": True,
                **query,
            },
        }
    return {"BACKEND": "mlportal.blobs.storage.AtomicFileStorage", "OPTIONS": {"location": parts.path}}


STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "build" / "static"  # made from the sources, the same for every home
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, dict[str, Any]] = {
    "default": _blob_storage(STORAGE_URL),
    "staticfiles": {"BACKEND": "mlportal.pages.static.StaticFiles"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
# Compressing takes most of a first start. Source maps are for a debugger alone.
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ("png", "woff", "woff2", "gz", "br", "map")

# --- Celery: a message is only a wake-up, the database is the truth
CELERY_BROKER_URL = BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False  # a late ack on Redis starts anything longer than the visibility timeout again
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "environments"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = TIME_ZONE
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {}
if BROKER_URL.startswith("filesystem:"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(HOME / "broker" / "queue"),
        "data_folder_out": str(HOME / "broker" / "queue"),
        "control_folder": str(HOME / "broker" / "control"),
        "polling_interval": 0.05,
    }
    for folder in ("queue", "control"):
        (HOME / "broker" / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
elif BROKER_URL.startswith("redis"):  # else a server that takes the connection and never answers holds it for ever
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 10}
WORKER_THREADS = env.integer("MLPORTAL_WORKER_THREADS", 256, least=1)  # most of them sleep, following a run
WORKER_BUILDS = env.integer("MLPORTAL_WORKER_BUILDS", 4, least=1)
SHORT_TASKS = 8  # Celery's own threads: they look, decide and hand on
BEAT_SECONDS = 3
SWEEP_SECONDS = 3600
CELERY_BEAT_SCHEDULE = {
    "reap": {"task": "experiments.reap", "schedule": BEAT_SECONDS, "options": {"expires": BEAT_SECONDS}},
    "inspect": {"task": "models_registry.resume", "schedule": 60.0, "options": {"expires": 30}},
    "watch": {"task": "models_registry.watch", "schedule": 10.0, "options": {"expires": 5}},
    "drift": {"task": "models_registry.drift_everywhere", "schedule": 300.0, "options": {"expires": 200}},
    "merge measures": {"task": "models_registry.tidy_measures", "schedule": 300.0, "options": {"expires": 200}},
    "sweep": {"task": "experiments.sweep", "schedule": SWEEP_SECONDS, "options": {"expires": 600}},
    "tidy": {"task": "experiments.tidy", "schedule": SWEEP_SECONDS, "options": {"expires": 600}},
    "purge": {"task": "experiments.purge", "schedule": 60.0, "options": {"expires": 30}},
    "forget answers": {"task": "mlportal.forget_answers", "schedule": SWEEP_SECONDS, "options": {"expires": 600}},
}

# --- Limits; each says so when it is hit
SNAPSHOT_MAX_BYTES = env.size("MLPORTAL_SNAPSHOT_MAX_BYTES", 300_000_000)
SNAPSHOT_MAX_FILES = env.integer("MLPORTAL_SNAPSHOT_MAX_FILES", 2000, least=1)
UPLOAD_MAX_BYTES = env.size("MLPORTAL_UPLOAD_MAX_BYTES", 5_000_000_000)
DATASET_MAX_FILES = env.integer("MLPORTAL_DATASET_FILES", 10_000, least=1)
DATASET_MAX_BYTES = env.size("MLPORTAL_DATASET_MAX_BYTES", 20_000_000_000)
DATASET_DEFINITION_BYTES = env.size("MLPORTAL_DATASET_DEFINITION", 64_000)
UNNAMED_DATASET_SECONDS = env.seconds("MLPORTAL_UNNAMED_DATASETS", 30 * 86_400)
TRASH_SECONDS = env.seconds("MLPORTAL_TRASH", 30 * 86_400)
DATA_STORE_FILES = env.integer("MLPORTAL_DATA_STORE_FILES", 100_000, least=1)
DATA_STORE_BYTES = env.size("MLPORTAL_DATA_STORE", 100_000_000_000)
RUN_INPUTS = env.integer("MLPORTAL_RUN_INPUTS", 100, least=1)
RUN_WALL_SECONDS = env.seconds("MLPORTAL_RUN_WALL", 30 * 86_400)
RUN_LOG_BYTES = env.size("MLPORTAL_LOG_LIMIT", 100_000_000)
RUN_OUTPUT_BYTES = env.size("MLPORTAL_OUTPUT_LIMIT", 10_000_000_000)
RUN_OUTPUT_FILES = env.integer("MLPORTAL_OUTPUT_FILES", 10_000, least=1)
RUN_OPEN_FILES = env.integer("MLPORTAL_RUN_OPEN_FILES", 4096, least=64)
RUN_CANCEL_GRACE_SECONDS = env.seconds("MLPORTAL_CANCEL_GRACE", 10)
RUN_METRIC_NAMES = env.integer("MLPORTAL_METRIC_NAMES", 10_000, least=1)
RUN_CHILDREN = env.integer("MLPORTAL_RUN_CHILDREN", 10_000, least=1)
BULK_RUNS = env.integer("MLPORTAL_BULK_RUNS", 5000, least=1)
RUN_ATTEMPTS = env.integer("MLPORTAL_RUN_ATTEMPTS", 50, least=1)
COMPARE_RUNS = env.integer("MLPORTAL_COMPARE_RUNS", 200, least=2)
COMPARE_POINTS = env.integer("MLPORTAL_COMPARE_POINTS", 5_000_000, least=1)
DIFF_BYTES = env.size("MLPORTAL_DIFF_BYTES", 500_000)
LEASE_SECONDS = env.seconds("MLPORTAL_LEASE", 10)
NODE_GONE_SECONDS = env.seconds("MLPORTAL_NODE_GONE", 900)
LOCAL_SLOTS = env.integer("MLPORTAL_LOCAL_SLOTS", max(1, os.cpu_count() or 1), least=1)
COMPUTE_TARGETS = env.integer("MLPORTAL_COMPUTE_TARGETS", 50, least=1)
COMPUTE_SLOTS = env.integer("MLPORTAL_COMPUTE_SLOTS", 100, least=1)
ENVIRONMENT_BUILD_SECONDS = env.seconds("MLPORTAL_ENVIRONMENT_BUILD", 1800)
ALLOWED_PACKAGE_INDEXES = env.words("MLPORTAL_PACKAGE_INDEXES")
ALLOW_SOURCE_BUILDS = env.boolean("MLPORTAL_SOURCE_BUILDS", False)
EXTRA_PYTHONS = [Path(path) for path in env.words("MLPORTAL_PYTHONS")]
HEADER_BYTES = env.size("MLPORTAL_HEADERS", 64_000)
SLOW_CLIENT_SECONDS = env.seconds("MLPORTAL_SLOW_CLIENT", 60)
SERVICE_BODY_BYTES = env.size("MLPORTAL_SERVICE_BODY", 20_000_000)
SERVICE_BODY_SECONDS = env.seconds("MLPORTAL_SERVICE_BODY_TIMEOUT", 30)
SERVICE_ROWS = env.integer("MLPORTAL_SERVICE_ROWS", 100_000, least=1)
SERVICE_ANSWER_BYTES = env.size("MLPORTAL_SERVICE_ANSWER", 250_000_000)
SERVICE_WAITING = env.integer("MLPORTAL_SERVICE_WAITING", 256, least=1)
SERVICE_WAITING_BYTES = env.size("MLPORTAL_SERVICE_WAITING_BYTES", 256_000_000)
SERVICE_BATCH_ROWS = env.integer("MLPORTAL_SERVICE_BATCH_ROWS", 1024, least=1)
SERVICE_SECONDS = env.seconds("MLPORTAL_SERVICE_TIMEOUT", 60)
SERVICE_START_SECONDS = env.seconds("MLPORTAL_SERVICE_START", 300)
SERVICE_MEMORY_BYTES = env.size("MLPORTAL_SERVICE_MEMORY", 2_000_000_000)  # of a model worker whose model names none
SERVICE_REQUEST_LOG = 100
MEASURES_FINE_SECONDS = env.seconds("MLPORTAL_MEASURES_FINE", 2 * 3600)
MEASURES_MINUTES_SECONDS = env.seconds("MLPORTAL_MEASURES_MINUTES", 2 * 86_400)
MEASURES_SECONDS = env.seconds("MLPORTAL_MEASURES", 90 * 86_400)
SAMPLED_ROWS = env.integer("MLPORTAL_SAMPLED_ROWS", 1_000_000, least=1)
SAMPLED_BYTES = env.size("MLPORTAL_SAMPLED_SIZE", 100_000_000)
DRIFT_ROWS = env.integer("MLPORTAL_DRIFT_ROWS", 2000, least=1)
SAMPLES_SECONDS = env.seconds("MLPORTAL_SAMPLES", 90 * 86_400)
ACTUALS = env.integer("MLPORTAL_ACTUALS", 10_000, least=1)
METRICS_TOKEN = env.text("MLPORTAL_METRICS_TOKEN")
METRICS_VERSIONS = env.integer("MLPORTAL_METRICS_VERSIONS", 5, least=1)
SERVICE_FILE_BYTES = env.size("MLPORTAL_SERVICE_FILE", 200_000_000)
SAMPLE_BYTES = env.size("MLPORTAL_SAMPLE_BYTES", 100_000_000)
SAMPLE_ROWS = env.integer("MLPORTAL_SAMPLE_ROWS", 10_000, least=1)
SAMPLE_COLUMNS = env.integer("MLPORTAL_SAMPLE_COLUMNS", 1000, least=1)
SAMPLE_CELLS = env.integer("MLPORTAL_SAMPLE_CELLS", 20_000_000, least=1)
SERVICE_CGROUPS = env.boolean("MLPORTAL_CGROUPS", True)
GOLDEN_REQUESTS = env.integer("MLPORTAL_GOLDEN_REQUESTS", 20)
GOLDEN_BYTES = env.size("MLPORTAL_GOLDEN_SIZE", 200_000)
GOLDEN_SECONDS = env.seconds("MLPORTAL_GOLDEN_TIMEOUT", 60)
GOLDEN_RECORD = env.boolean("MLPORTAL_GOLDEN_RECORD", True)
SERVICE_REPLICAS = env.integer("MLPORTAL_SERVICE_REPLICAS", 20, least=1)
SERVICE_SURGE = env.boolean("MLPORTAL_SERVICE_SURGE", True)
SERVICE_STANDBY_SECONDS = env.seconds("MLPORTAL_SERVICE_STANDBY", 300)
SERVICE_HISTORY = env.integer("MLPORTAL_SERVICE_HISTORY", 10, least=1)
SERVICE_DISAGREEMENTS = env.integer("MLPORTAL_SERVICE_DISAGREEMENTS", 100, least=1)
SERVICE_SCALE_DOWN_SECONDS = env.seconds("MLPORTAL_SERVICE_SCALE_DOWN", 60)
API_RATE = env.integer("MLPORTAL_API_RATE", 12_000)
API_REFUSED_RATE = env.integer("MLPORTAL_API_REFUSED_RATE", 600)
IDEMPOTENCY_SECONDS = env.seconds("MLPORTAL_IDEMPOTENCY", 86_400)
DATA_UPLOAD_MAX_MEMORY_SIZE = 10_000_000
DATA_UPLOAD_MAX_NUMBER_FILES = 20_000  # before .amlignore has spoken; SNAPSHOT_MAX_FILES counts what stays
DATA_UPLOAD_MAX_NUMBER_FIELDS = DATA_UPLOAD_MAX_NUMBER_FILES + 100  # each file comes with its path
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
FILE_UPLOAD_TEMP_DIR = HOME / "tmp"
FILE_UPLOAD_TEMP_DIR.mkdir(mode=0o700, exist_ok=True)
FILE_UPLOAD_PERMISSIONS = 0o600

# --- Folders of this machine's own work: nothing in them is needed by another machine
RUNS_DIR = HOME / "runs"
ENVIRONMENTS_DIR = HOME / "environments"
SERVING_DIR = HOME / "serving"
UV_CACHE_DIR = HOME / "uv-cache"
SDK_DIR = BASE_DIR / "sdk"

# --- The JSON API
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "mlportal.access.authentication.UserTokenAuthentication",
        "experiments.api.authentication.RunTokenAuthentication",
        "mlportal.access.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["mlportal.api.permissions.SignedInUser"],
    "DEFAULT_RENDERER_CLASSES": ["mlportal.api.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["mlportal.api.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "mlportal.api.pagination.Pages",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "mlportal.api.schema.Schema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS would answer what the schema does not describe
    "DEFAULT_THROTTLE_CLASSES": ["mlportal.api.rates.PerCaller"],
    "EXCEPTION_HANDLER": "mlportal.api.exceptions.handle",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "mlportal",
    "DESCRIPTION": "Train, track, register, deploy and watch scikit-learn models on machines of your own.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "mlportal.api.schema.add_errors",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "RunStatusEnum": "experiments.status.RunStatus",
        "DatasetKindEnum": "experiments.models.data.DatasetKind",
        "InputModeEnum": "experiments.models.data.InputMode",
        "BuildStatusEnum": "experiments.status.BuildStatus",
        "DeploymentStatusEnum": "models_registry.status.DeploymentStatus",
    },
    "SERVE_PERMISSIONS": ["mlportal.api.permissions.SignedInUser"],
}

# --- The portal's own log
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env.text("MLPORTAL_LOG_LEVEL", "INFO")},
    "loggers": {
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        "kombu.connection": {"level": "ERROR"},  # the filesystem broker has no host, and says so at every connection
        "uvicorn.access": {"level": "WARNING"},
    },
}

TESTING = "pytest" in sys.modules
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
