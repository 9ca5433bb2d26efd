// What the page shows is in its address, so that it can be sent, reloaded and gone back to.

export const address = {
  get: (name) => new URLSearchParams(location.search).get(name) ?? "",
  getAll: (name) => new URLSearchParams(location.search).getAll(name),

  /** `changes` = {name: text, or a list of texts, or nothing to take it away}; the rest stays. */
  set(changes) {
    history.replaceState(history.state, "", this.with(changes) + location.hash);
  },

  /** The query with these changes. Commas between uids stay commas. */
  with(changes) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
      query.delete(name);
      for (const each of [value ?? []].flat()) if (each !== "") query.append(name, each);
    }
    return `?${query}`.replaceAll("%2C", ",");
  },
};

/** Turns `name` from one of the two lists of the address into the other. */
export function turnGoal(name, now) {
  const next = now === "lower" ? "higher" : "lower";
  const lists = Object.fromEntries(["lower", "higher"].map((goal) => [goal, address.getAll(goal).filter((each) => each !== name)]));
  lists[next].push(name);
  address.set(lists);
}
