// One dialog asks before everything that destroys. On a form, button or link:
//   data-confirm="what will happen"  data-confirm-title  data-confirm-button  data-confirm-keep  data-confirm-type="the name to type"
// It works in the capturing phase, so that neither the browser, htmx nor a page's own listener acts before the answer.

const dialog = () => document.getElementById("confirm");
const part = (name) => document.getElementById(`confirm-${name}`);

/** Asks, and resolves to whether the answer was yes. */
export function ask(text, { title = "Are you sure?", button = "Yes", keep = "Cancel", type = "" } = {}) {
  part("title").textContent = title;
  part("text").textContent = text;
  part("yes").textContent = button;
  dialog().querySelector("button[value=no]").textContent = keep;
  part("typing").hidden = !type;
  part("expected").textContent = type;
  const typed = part("typed");
  typed.value = "";
  const check = () => (part("yes").disabled = Boolean(type) && typed.value !== type);
  typed.oninput = check;
  check();
  dialog().returnValue = "no";
  dialog().showModal();
  if (type) typed.focus();
  return new Promise((resolve) =>
    dialog().addEventListener("close", () => resolve(dialog().returnValue === "yes"), { once: true }),
  );
}

const askFor = ({ dataset }) =>
  ask(dataset.confirm, {
    title: dataset.confirmTitle,
    button: dataset.confirmButton,
    keep: dataset.confirmKeep,
    type: dataset.confirmType,
  });

const answered = new WeakSet();

function guard(event, element, goOn) {
  if (answered.delete(element)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  askFor(element).then((yes) => {
    if (!yes) return;
    answered.add(element);
    goOn();
  });
}

document.addEventListener(
  "click",
  (event) => {
    const element = event.target.closest?.("button[data-confirm], a[data-confirm]");
    if (element) guard(event, element, () => element.click());
  },
  true,
);
document.addEventListener(
  "submit",
  (event) => {
    const form = event.target;
    const { submitter } = event;
    if (form.matches("form[data-confirm]")) guard(event, form, () => form.requestSubmit(submitter));
  },
  true,
);
// "Enter" in the typed field must not choose the dialog's first button, which is "no".
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.id !== "confirm-typed") return;
  event.preventDefault();
  if (!part("yes").disabled) part("yes").click();
});
