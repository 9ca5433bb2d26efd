// A plain, blocking script: the colours must be right before the first paint.
(function () {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  function apply() {
    const choice = localStorage.getItem("theme") || "auto";
    const theme = choice === "auto" ? (dark.matches ? "dark" : "light") : choice;
    document.documentElement.dataset.bsTheme = theme;
    document.documentElement.dataset.themeChoice = choice;
    document.dispatchEvent(new CustomEvent("portal:theme", { detail: theme }));
  }
  window.setPortalTheme = function (choice) {
    localStorage.setItem("theme", choice);
    apply();
  };
  dark.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  apply();
})();
