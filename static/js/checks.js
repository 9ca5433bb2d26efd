// A box that checks all others of its form:  input[type=checkbox][data-checks="the name of the others"]
const others = (all) => [...all.form.elements].filter((box) => box.name === all.dataset.checks && box !== all);

document.addEventListener("change", ({ target }) => {
  if (target.dataset?.checks) for (const box of others(target)) box.checked = target.checked;
  const all = target.form?.querySelector(`[data-checks="${CSS.escape(target.name)}"]`);
  if (!all || all === target) return;
  const checked = others(all).filter((box) => box.checked).length;
  all.checked = checked === others(all).length;
  all.indeterminate = checked > 0 && !all.checked;
});
