// Says beside a slider what it is set to.
for (const output of document.querySelectorAll("[data-range-output]")) {
  const range = document.getElementById(output.dataset.rangeOutput);
  range?.addEventListener("input", () => {
    output.value = range.value;
  });
}
