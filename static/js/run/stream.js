// The run's event stream: reconnects with growing pauses while the portal is away, and ends with the run.

const PAUSES = [1, 2, 4, 8, 15, 30];
const EVENTS = ["run", "log", "build", "metrics"];

/** Dispatches `run`, `log`, `build` and `metrics` with the event's JSON as `detail`; `connection` with
 * {state: "live" | "lost" | "refused" | "ended"}; and `end` once, when the run is final. */
export class RunStream extends EventTarget {
  #url;
  #probe;
  #source = null;
  #timer = 0;
  #failures = 0;
  #ended = false;
  #log = null;

  constructor(url, probe) {
    super();
    this.#url = url;
    this.#probe = probe;
    window.addEventListener("online", () => this.#source === null && this.connect());
  }

  /** Follow this log from this byte on; without arguments, none. */
  follow(name, offset) {
    this.#log = name === undefined ? null : { name, offset };
    this.connect();
  }

  connect() {
    clearTimeout(this.#timer);
    this.#source?.close();
    if (this.#ended) return;
    const query = this.#log ? `?${new URLSearchParams({ log: this.#log.name, offset: this.#log.offset })}` : "";
    const source = new EventSource(this.#url + query);
    this.#source = source;
    source.addEventListener("open", () => {
      this.#failures = 0;
      this.#tell("connection", { state: "live" });
    });
    for (const name of EVENTS) source.addEventListener(name, (event) => this.#pass(name, JSON.parse(event.data)));
    source.addEventListener("end", (event) => this.#end(JSON.parse(event.data)));
    source.addEventListener("error", () => this.#lost());
  }

  #pass(name, data) {
    if (name === "log" && this.#log?.name === data.name) this.#log.offset = data.next_offset;
    this.#tell(name, data);
  }

  #end(data) {
    this.#ended = true;
    this.#source.close();
    this.#tell("connection", { state: "ended" });
    this.#tell("end", data);
  }

  // The browser's own reconnecting neither slows down nor survives an error page of a proxy.
  async #lost() {
    this.#source?.close();
    this.#source = null;
    const pause = PAUSES[Math.min(this.#failures, PAUSES.length - 1)];
    this.#failures += 1;
    this.#tell("connection", { state: "lost", pause });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.connect(), pause * 1000 * (0.8 + 0.4 * Math.random()));
    if (this.#failures > 1 && (await this.#refused())) {
      this.#ended = true;
      clearTimeout(this.#timer);
      this.#tell("connection", { state: "refused" });
    }
  }

  async #refused() {
    try {
      return [401, 403, 404].includes((await fetch(this.#probe, { credentials: "same-origin" })).status);
    } catch {
      return false;
    }
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
