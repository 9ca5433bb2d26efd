"""`azureml.core.Experiment`: a name under which runs are gathered."""

import os
from typing import Any, Dict, Iterator, List, Optional, Union

from azureml._html import table
from azureml._partial import Partial
from azureml._said import say
from azureml.core.workspace import Workspace
from azureml.exceptions import NotSupportedError, UserErrorException

__all__ = ["Experiment", "ViewType"]


class ViewType:
    ActiveOnly = "ActiveOnly"
    All = "All"
    ArchivedOnly = "ArchivedOnly"


class Experiment(Partial):
    """Made in the portal by its first run; until then it is a name."""

    def __init__(self, workspace: Workspace, name: str, **kwargs: Any) -> None:
        if not isinstance(name, str) or not name:
            raise UserErrorException("an experiment needs a name")
        self.workspace = workspace
        self.name = name

    @classmethod
    def _of_this_run(cls) -> "Experiment":
        experiment = cls.__new__(cls)
        experiment.workspace = Workspace._of_this_run()
        experiment.name = os.environ.get("AZUREML_EXPERIMENT_NAME", "")
        return experiment

    @property
    def _scope(self) -> Any:
        return self.workspace._scope

    @property
    def _path(self) -> str:
        from mlportal_sdk.client import join

        return join("experiments", self.name)

    def _fetch(self) -> Dict[str, Any]:
        """As the portal has it, where it is made when it is new."""
        from mlportal_sdk.errors import NotFound

        try:
            return self._scope.get(self._path)  # type: ignore[no-any-return]
        except NotFound:
            pass
        return self._scope.post("experiments/", {"name": self.name})  # type: ignore[no-any-return]

    @property
    def id(self) -> Optional[str]:
        """MLflow's number of it; in a run None for another experiment than the run's."""
        if self.workspace._is_of_this_run:
            own = self.name == os.environ.get("AZUREML_EXPERIMENT_NAME")
            return os.environ.get("MLFLOW_EXPERIMENT_ID") if own else None
        return str(self._fetch().get("id", self.name))

    def submit(self, config: Any, tags: Optional[Dict[str, str]] = None, **kwargs: Any) -> Any:
        """Uploads the folder's files that the portal lacks, and has the script run. Returns the Run at once."""
        from azureml._submitting import submit

        kwargs.pop("_parent", None)
        if kwargs.pop("show_output", False):
            say("show_output: use run.wait_for_completion(show_output=True)")
        display_name = kwargs.pop("display_name", None)
        if kwargs:
            say("{}: not used; the portal chooses".format(", ".join(sorted(kwargs))))
        return submit(self, config, tags, display_name)

    def start_logging(self, *args: Any, **kwargs: Any) -> Any:
        """An interactive run: what this process logs to it. `complete` or `fail` it, or use it as a with-block.

        `snapshot_directory` (the working directory) is kept with it, None keeps nothing. What is in `outputs`
        (./outputs, which is made) when it ends is stored; False stores nothing.
        """
        from azureml._submitting import start

        directory = kwargs.pop("snapshot_directory", ".")
        display_name = kwargs.pop("display_name", None)
        outputs = kwargs.pop("outputs", None)
        if args or kwargs:
            say("{}: not used here".format(", ".join(map(repr, args)) or ", ".join(sorted(kwargs))))
        return start(self, display_name, directory, outputs)

    def get_runs(
        self, type: Optional[str] = None, tags: Any = None, properties: Any = None, include_children: bool = False
    ) -> Iterator[Any]:
        """Its runs, newest first, fetched page by page. `tags` and `properties` are a name, or {name: value}."""
        from azureml.core.run import Run

        return Run.list(self, type, tags, properties, include_children=include_children)

    @staticmethod
    def list(
        workspace: Workspace,
        experiment_name: Optional[str] = None,
        view_type: str = ViewType.ActiveOnly,
        tags: Any = None,
    ) -> "List[Experiment]":
        archived = {"ActiveOnly": "false", "ArchivedOnly": "true", "All": "all"}.get(str(view_type))
        if archived is None:
            raise UserErrorException("view_type is ActiveOnly, ArchivedOnly or All")
        wanted = _pairs(tags)
        return [
            Experiment(workspace, row["name"])
            for row in workspace._scope.pages("experiments/", archived=archived)
            if experiment_name in (None, row["name"])
            and all(key in row["tags"] and value in (None, row["tags"][key]) for key, value in wanted.items())
        ]

    @staticmethod
    def delete(workspace: Workspace, experiment_id: str) -> None:
        """An experiment without runs, by its id or name. Conflict where it has runs: archive it."""
        for row in workspace._scope.pages("experiments/", archived="all"):
            if str(experiment_id) in (row["name"], str(row.get("id"))):
                workspace._scope.delete(Experiment(workspace, row["name"])._path)
                return
        raise UserErrorException("there is no experiment {!r}".format(experiment_id))

    def archive(self) -> None:
        """Hidden from lists; its runs stay."""
        self._fetch()
        self._scope.post(self._path + "archive/")

    def reactivate(self, new_name: Optional[str] = None) -> None:
        if new_name is not None and new_name != self.name:
            raise NotSupportedError("Experiment.reactivate with a new name is not supported here")
        self._scope.post(self._path + "restore/")

    def refresh(self) -> None:
        """Nothing is kept here that could be old."""

    @property
    def archived_time(self) -> Optional[str]:
        return self._fetch()["archived_at"]  # type: ignore[no-any-return]

    @property
    def tags(self) -> Dict[str, str]:
        return dict(self._fetch()["tags"])

    def tag(self, key: str, value: Any = None) -> None:
        self.set_tags({key: value})

    def set_tags(self, tags: Dict[str, Any]) -> None:
        """A tag without a value is None."""
        self._fetch()
        wish = {str(key): None if value is None else str(value) for key, value in tags.items()}
        self._scope.patch(self._path, {"tags": wish})

    def remove_tags(self, tags: "List[str]") -> None:
        self._scope.patch(self._path, {"remove_tags": list(tags)})

    def get_portal_url(self) -> str:
        return self._scope.url + self._fetch()["page"]  # type: ignore[no-any-return]

    @classmethod
    def get_docs_url(cls) -> str:
        return "https://learn.microsoft.com/python/api/azureml-core/azureml.core.experiment.experiment"

    def __repr__(self) -> str:
        return "Experiment(Name: {},\nWorkspace: {})".format(self.name, self.workspace.name)

    def _repr_html_(self) -> str:
        return table({"Name": self.name, "Workspace": self.workspace.name})


def _pairs(names: Union[None, str, Dict[str, Any], "List[str]"]) -> Dict[str, Any]:
    """{name: value}, where None stands for any value."""
    if names is None:
        return {}
    if isinstance(names, str):
        return {names: None}
    return dict(names) if isinstance(names, dict) else dict.fromkeys(names)
