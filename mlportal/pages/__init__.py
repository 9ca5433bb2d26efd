"""What every page stands on: who may open it, in which workspace, as a page or as a fragment of one."""

from mlportal.pages.fragments import fragment
from mlportal.pages.workspaces import PageRequest, WorkspaceRequest, account_view, last_workspace, workspace_view

__all__ = ["PageRequest", "WorkspaceRequest", "account_view", "fragment", "last_workspace", "workspace_view"]
