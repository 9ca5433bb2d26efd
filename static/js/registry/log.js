// "Log of replica 2" beside a replica chooses it in the log's own list; without this script it is a link that does so.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-log]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const choice = document.getElementById("log-choice");
  if (![...choice.options].some((option) => option.value === link.dataset.log)) return; // the link knows more than the list
  event.preventDefault();
  choice.value = link.dataset.log;
  choice.dispatchEvent(new Event("change", { bubbles: true }));
  choice.focus({ preventScroll: true });
  document.getElementById("log").scrollIntoView({ block: "start" });
});
