// Keeps <time data-relative> ("5 min ago") and <span data-since> (a duration that grows) up to date, and writes
// <time data-clock> as the clock of the browser has it.
// The words are those of mlportal/pages/wording.py.

export function durationWords(seconds) {
  seconds = Math.max(0, seconds);
  if (seconds < 1) return `${seconds.toFixed(2)} s`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

export function elapsedWords(seconds) {
  if (seconds < 5) return "just now";
  for (const [limit, unit, name] of [[60, 1, "s"], [3600, 60, "min"], [86400, 3600, "h"], [60 * 86400, 86400, "d"]]) {
    if (seconds < limit) return `${Math.floor(seconds / unit)} ${name} ago`;
  }
  const months = Math.floor(seconds / (30.44 * 86400));
  return months < 24 ? `${months} months ago` : `${Math.floor(months / 12)} years ago`;
}

const clock = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

export function updateTimes(root = document) {
  const now = Date.now();
  for (const element of root.querySelectorAll("time[data-relative]")) {
    const when = new Date(element.dateTime);
    const words = elapsedWords((now - when) / 1000);
    if (element.textContent !== words) element.textContent = words;
    if (!element.dataset.local) {
      element.dataset.local = "1";
      element.title = exact.format(when);
    }
  }
  for (const element of root.querySelectorAll("time[data-clock]:not([data-local])")) {
    const when = new Date(element.dateTime);
    element.dataset.local = "1";
    element.textContent = clock.format(when);
    element.title = exact.format(when);
  }
  for (const element of root.querySelectorAll("[data-since]")) {
    const seconds = (now - new Date(element.dataset.since)) / 1000;
    element.textContent = durationWords(seconds < 60 ? Math.floor(Math.max(seconds, 1)) : seconds).replace(/\.0 s$/, " s");
  }
}

updateTimes();
setInterval(() => document.hidden || updateTimes(), 1000);
document.addEventListener("htmx:afterSwap", () => updateTimes());
document.addEventListener("part:exchanged", () => updateTimes());
document.addEventListener("visibilitychange", () => document.hidden || updateTimes());
