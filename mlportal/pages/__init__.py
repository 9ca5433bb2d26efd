"""What every page stands on: who may open it, in which workspace, as a page or as a fragment of one."""

from mlportal.pages.fragments import fragment
from mlportal.pages.workspaces import PageRequest, WorkspaceRequest, workspace_view

__all__ = ["PageRequest", "WorkspaceRequest", "fragment", "workspace_view"]
