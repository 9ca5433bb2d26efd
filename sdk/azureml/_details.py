"""`run.get_details()` in the shape that Azure's SDK gives it."""

from typing import Any, Dict, Optional


def details(run: Any, data: Dict[str, Any]) -> Dict[str, Any]:
    """The keys that notebooks read; endTimeUtc, error and warnings only where there are any."""
    from azureml.core.run import _status, properties_of

    url = run._scope.url + "/api/v1/workspaces/{}/runs/{}/logs/content/?name=".format(run._scope.name, run.id)
    logs = [row["name"] for row in run._scope.get(run._path + "logs/")]
    found: Dict[str, Any] = {
        "runId": run.id,
        "target": data.get("target") or "sdk",
        "status": _status(data),
        "startTimeUtc": data.get("started_at"),
        "endTimeUtc": data.get("ended_at"),
        "services": {},
        "properties": properties_of(data),
        "inputDatasets": [_input(one) for one in data.get("inputs") or ()],
        "outputDatasets": [],
        "runDefinition": _definition(data),
        "logFiles": {name: url + name for name in logs},
        "submittedBy": data.get("created_by"),
    }
    if not data.get("ended_at"):
        del found["endTimeUtc"]
    error = error_of(data)
    if error:
        found["error"] = error
    skipped = data.get("skipped_files")
    if skipped:
        found["warnings"] = [
            {"source": "mlportal", "message": "{} was not stored: {}".format(*item)} for item in skipped
        ]
    return found


def error_of(data: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """{"error": {"code", "message", "details"}} of a run that failed."""
    failure = data.get("failure")
    if data["status"] != "Failed":
        return None
    failure = failure or {}
    message = ": ".join(str(failure[key]) for key in ("type", "message") if failure.get(key)) or "the run failed"
    if failure.get("file"):
        message += " ({}, line {})".format(failure["file"], failure.get("line"))
    found = {"code": "UserError", "message": message, "details": []}
    if failure.get("hint"):
        hint = failure["hint"]
        found["details"] = [{"code": "Hint", "message": hint if isinstance(hint, str) else hint.get("text", str(hint))}]
    return {"error": found}


def _definition(data: Dict[str, Any]) -> Dict[str, Any]:
    return {
        "script": data.get("script"),
        "command": "",
        "useAbsolutePath": False,
        "arguments": list(data.get("arguments") or ()),
        "sourceDirectoryDataStore": None,
        "framework": "Python",
        "communicator": "None",
        "target": data.get("target"),
        "dataReferences": {},
        "data": {one["name"]: _input(one) for one in data.get("inputs") or ()},
        "outputData": {},
        "nodeCount": 1,
        "maxRunDurationSeconds": data.get("wall_seconds"),
        "environment": data.get("environment"),
    }


def _input(one: Dict[str, Any]) -> Dict[str, Any]:
    return {
        "dataset": {"id": one["dataset"]["uid"], "name": one["dataset"].get("name")},
        "consumptionDetails": {"type": "RunInput", "inputName": one["name"], "mechanism": one["mode"].capitalize()},
    }
