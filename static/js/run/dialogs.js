// Dialogs of the run page. `[data-open-dialog="id"]` opens one, `[data-close-dialog]` or a click beside it closes it.

export function setUpDialogs(root) {
  root.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open-dialog]");
    if (opener) document.getElementById(opener.dataset.openDialog).showModal();
    if (event.target.closest("[data-close-dialog]")) event.target.closest("dialog").close();
    if (event.target.matches("dialog[data-light-dismiss]")) event.target.close(); // the backdrop
  });
  root.addEventListener("change", (event) => {
    if (!event.target.matches("[data-framework]")) return;
    event.target.form.elements.framework_version.value = event.target.selectedOptions[0].dataset.version;
  });
}
