"""Where the portal is and who asks: `config.json` as Azure looks for it, tokens from the environment or `mlportal login`.

credentials.json is {"current": address, "portals": {address: {"token", "user"}}}, readable by its owner alone.
"""

import json
import os
from typing import Any, Dict, List, Optional
from urllib.parse import urlsplit

from mlportal_sdk.errors import NotConfigured

FILE_NAME = "config.json"
FOLDERS = ("", ".azureml", "aml_config")  # Azure's order


class WorkspaceConfig:
    """What a config.json says. `path` is "" where it was put together from the environment."""

    def __init__(self, portal_url: str, workspace: str, subscription_id: str, resource_group: str, path: str) -> None:
        self.portal_url, self.workspace = portal_url, workspace
        self.subscription_id, self.resource_group = subscription_id, resource_group
        self.path = path


def find(path: Optional[str] = None, file_name: Optional[str] = None) -> Optional[str]:
    """The config.json for a file or folder (the working directory), from there upwards; None when there is none."""
    name = file_name or FILE_NAME
    start = os.path.abspath(path or ".")
    if os.path.isfile(start):
        return start
    folder = start
    while True:
        for below in FOLDERS:
            candidate = os.path.join(folder, below, name)
            if os.path.isfile(candidate):
                return candidate
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def read(path: Optional[str] = None, file_name: Optional[str] = None) -> WorkspaceConfig:
    """The config.json that `find` finds. Raises NotConfigured, which says what to do."""
    found = find(path, file_name)
    if found is None:
        raise NotConfigured(
            "There is no {} in {} nor above it. Download it from the workspace's page in the portal, and put it beside "
            "your script or notebook (or into .azureml/).".format(file_name or FILE_NAME, os.path.abspath(path or "."))
        )
    try:
        with open(found, "rb") as file:
            content = json.loads(file.read().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise NotConfigured("{} cannot be read: {}. Download it again from the portal.".format(found, error)) from None
    if not isinstance(content, dict):
        raise NotConfigured("{} is not a config.json: it holds no object.".format(found))
    workspace = content.get("workspace_name")
    if not isinstance(workspace, str) or not workspace:
        raise NotConfigured('{} has no "workspace_name". Download it again from the portal.'.format(found))
    url = content.get("portal_url") or os.environ.get("MLPORTAL_URL")
    if not isinstance(url, str) or not url:
        raise NotConfigured(
            "{} does not say where the portal is: it is one of Azure's. Replace it by the portal's own (the workspace's "
            'page has it), or add a line "portal_url": "http://host:8000", or set MLPORTAL_URL.'.format(found)
        )
    return WorkspaceConfig(
        normal_url(url),
        workspace,
        str(content.get("subscription_id") or ""),
        str(content.get("resource_group") or ""),
        found,
    )


def write(path: str, config: WorkspaceConfig) -> None:
    """A config.json that `read` takes, in Azure's shape."""
    content = {
        "subscription_id": config.subscription_id,
        "resource_group": config.resource_group,
        "workspace_name": config.workspace,
        "portal_url": config.portal_url,
    }
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    with open(path, "w") as file:
        file.write(json.dumps(content, indent=4) + "\n")


def is_in_a_run() -> bool:
    """Whether this process is (below) the script of a run."""
    return bool(os.environ.get("MLPORTAL_RUN_DIR") and os.environ.get("MLFLOW_TRACKING_TOKEN"))


def of_environment() -> WorkspaceConfig:
    """The portal and workspace of this process: the run's in a run, else MLPORTAL_URL, config.json, the last login."""
    if is_in_a_run():
        url, _, workspace = os.environ.get("MLFLOW_TRACKING_URI", "").partition("/w/")
        if url:
            workspace = workspace.strip("/") or os.environ.get("AZUREML_ARM_WORKSPACE_NAME", "default")
            return WorkspaceConfig(normal_url(url), workspace, "", "", "")
    workspace = os.environ.get("MLPORTAL_WORKSPACE", "")
    url = os.environ.get("MLPORTAL_URL", "")
    if url:
        config = _config_of(url)
        return WorkspaceConfig(normal_url(url), workspace or (config.workspace if config else "default"), "", "", "")
    if find() is not None:
        config = read()
        return WorkspaceConfig(config.portal_url, workspace or config.workspace, "", "", config.path)
    current = credentials()["current"]
    if current:
        return WorkspaceConfig(current, workspace or "default", "", "", "")
    raise NotConfigured(
        "No portal is chosen. Run `mlportal login`, or put the workspace's config.json here, or set MLPORTAL_URL."
    )


def token_for(url: str) -> Optional[str]:
    """The token for the portal at this address: the run's own, MLPORTAL_TOKEN, or what `mlportal login` kept.

    With MLPORTAL_URL set, MLPORTAL_TOKEN is for that portal alone: a config.json of somebody else's cannot ask for it.
    """
    url = normal_url(url)
    if is_in_a_run():
        tracking = os.environ.get("MLFLOW_TRACKING_URI", "").partition("/w/")[0]
        if tracking and normal_url(tracking) == url:
            return os.environ["MLFLOW_TRACKING_TOKEN"]
    token = os.environ.get("MLPORTAL_TOKEN")
    owner = os.environ.get("MLPORTAL_URL")
    if token and (not owner or normal_url(owner) == url):
        return token
    kept = credentials()["portals"].get(url)
    return kept["token"] if kept else None


def credentials_path() -> str:
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "mlportal", "credentials.json")


def credentials() -> Dict[str, Any]:
    """{"current": address or "", "portals": {address: {"token", "user"}}}; empty where nobody has logged in."""
    empty: Dict[str, Any] = {"current": "", "portals": {}}
    try:
        with open(credentials_path(), "rb") as file:
            kept = json.loads(file.read().decode("utf-8"))
        portals = {
            str(url): {"token": str(one["token"]), "user": str(one.get("user", ""))}
            for url, one in kept["portals"].items()
        }
        return {"current": str(kept.get("current") or ""), "portals": portals}
    except FileNotFoundError:
        return empty
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotConfigured(
            "{} is damaged: remove it, and log in again with `mlportal login`.".format(credentials_path())
        ) from None
    except OSError as error:
        raise NotConfigured("{} cannot be read: {}".format(credentials_path(), error)) from None


def keep_token(url: str, token: str, user: str = "") -> str:
    """Store the token of a portal, which becomes the current one; the path of the file."""
    kept = credentials()
    kept["portals"][normal_url(url)] = {"token": token, "user": user}
    kept["current"] = normal_url(url)
    return _write_credentials(kept)


def forget_token(url: Optional[str] = None) -> List[str]:
    """Drop the token of a portal (None: of all); the addresses that had one."""
    kept = credentials()
    gone = [one for one in kept["portals"] if url is None or one == normal_url(url)]
    for one in gone:
        del kept["portals"][one]
    if kept["current"] in gone:
        kept["current"] = next(iter(kept["portals"]), "")
    if gone:
        _write_credentials(kept)
    return gone


def normal_url(url: str) -> str:
    """One spelling for one portal: lower-case scheme and host, without the usual port, path's end or surroundings."""
    parts = urlsplit(url.strip() if "://" in url else "http://" + url.strip())
    try:
        port = parts.port
    except ValueError:
        raise NotConfigured("The portal's address has no valid port: {!r}".format(url)) from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise NotConfigured("The portal's address is none: {!r}. It is like http://host:8000".format(url))
    host = "[{}]".format(parts.hostname) if ":" in parts.hostname else parts.hostname
    if port and (parts.scheme.lower(), port) not in (("http", 80), ("https", 443)):
        host += ":{}".format(port)
    return "{}://{}{}".format(parts.scheme.lower(), host, parts.path.rstrip("/"))


def _config_of(url: str) -> Optional[WorkspaceConfig]:
    """The config.json above the working directory, if it is one of this portal."""
    try:
        config = read() if find() else None
    except NotConfigured:
        return None
    return config if config and config.portal_url == normal_url(url) else None


def _write_credentials(kept: Dict[str, Any]) -> str:
    """Whole or not at all, and never for a moment readable by others."""
    path = credentials_path()
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    draft = "{}.{}".format(path, os.getpid())
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps(kept, indent=2) + "\n")
        os.replace(draft, path)
    except BaseException:
        if os.path.exists(draft):
            os.unlink(draft)
        raise
    return path
