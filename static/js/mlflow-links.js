// MLflow's clients print addresses such as /#/experiments/7/runs/01a2…: whoever follows one comes to the page of the run.
const ADDRESS = /^#\/experiments\/(\d{1,18})(?:\/runs\/([0-9a-f]{32}))?(?:\/|$|\?)/;

function follow() {
  const found = ADDRESS.exec(location.hash);
  if (!found) return;
  const [, experiment, run] = found;
  const workspace = /^\/w\/([^/]+)/.exec(location.pathname)?.[1];
  const query = workspace ? `?workspace=${workspace}` : "";
  location.replace(run ? `/runs/${run}/` : `/experiments/${experiment}/${query}`);
}

addEventListener("hashchange", follow);
follow();
