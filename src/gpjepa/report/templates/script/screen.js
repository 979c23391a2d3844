// The table of unmeasured combinations: search, filter, sort, page, download.
if (find("screen")) {
  const PAGE = 25;
  const { names, headings, numeric, columns, verdicts } = DATA.screen;
  const total = columns[0].length;
  const at = Object.fromEntries(names.map((name, index) => [name, index]));
  const state = { column: -1, ascending: false, page: 0 };
  const [search, verdict] = [find("screen-search"), find("screen-verdict")];
  const searched = ["perturbation", "top_genes"].filter((name) => name in at);
  const haystack = columns[0].map((_, row) =>
    searched.map((name) => columns[at[name]][row]).join(" ").toLowerCase(),
  );
  const largest = Math.max(
    ...["predicted_effect_size", "additive_effect_size"].map((name) =>
      (columns[at[name]] ?? []).reduce((most, value) => Math.max(most, value ?? 0), 0),
    ),
  );

  function compare(first, second) {
    const values = columns[state.column];
    const [a, b] = [values[first], values[second]];
    if (a === null || b === null) return (a === null) - (b === null);
    const order = numeric[state.column] ? a - b : a < b ? -1 : a > b ? 1 : 0;
    return (state.ascending ? order : -order) || first - second;
  }

  function chosen() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [];
    for (let row = 0; row < total; row++) {
      if (verdict.value && columns[at.verdict][row] !== verdict.value) continue;
      if (words.every((word) => haystack[row].includes(word))) rows.push(row);
    }
    return state.column < 0 ? rows : rows.sort(compare);
  }

  function fill(cell, name, value) {
    if (name === "verdict") {
      cell.append(element("span", value, `pill ${verdicts[value] ?? ""}`));
    } else if (name === "top_genes") {
      cell.className = "genes";
      const genes = value.split(";").map((gene) => gene.trim().replace(" -", " −"));
      cell.append(...genes.flatMap((gene) => [element("span", gene), " · "]).slice(0, -1));
    } else if (name === "perturbation") {
      const members = value.split("+");
      cell.append(...members.flatMap((member) => [member, "+", element("wbr")]).slice(0, -2));
    } else if (numeric[at[name]]) {
      cell.className = "number";
      cell.textContent = number(value);
      if (name.endsWith("effect_size") && value !== null && largest > 0) {
        const own = name.startsWith("predicted") ? " model" : "";
        const bar = cell.appendChild(element("span", undefined, `amount${own}`));
        bar.style.width = `${((100 * value) / largest).toFixed(1)}%`;
      }
    } else {
      cell.textContent = value;
    }
  }

  function paint() {
    const rows = chosen();
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * PAGE;
    const body = document.createElement("tbody");
    for (const row of rows.slice(first, first + PAGE)) {
      const line = body.insertRow();
      names.forEach((name, index) => fill(line.insertCell(), name, columns[index][row]));
    }
    find("screen").tBodies[0].replaceWith(body);
    const last = Math.min(first + PAGE, rows.length);
    const filtered = rows.length < total ? ` (of ${total.toLocaleString("en-US")})` : "";
    find("screen-status").textContent = rows.length
      ? `${first + 1}–${last} of ${rows.length.toLocaleString("en-US")}${filtered}`
      : "nothing matches; clear the search or the verdict";
    find("screen-previous").disabled = state.page === 0;
    find("screen-next").disabled = state.page >= pages - 1;
  }

  function sortBy(index) {
    state.ascending = state.column === index ? !state.ascending : !numeric[index];
    state.column = index;
    state.page = 0;
    [...find("screen").tHead.rows[0].cells].forEach((cell, other) => {
      if (other !== index) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", state.ascending ? "ascending" : "descending");
    });
    paint();
  }

  function quoted(value) {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function download() {
    const lines = [names.map(quoted).join(",")];
    for (const row of chosen()) lines.push(columns.map((column) => quoted(column[row])).join(","));
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
    link.download = "screen.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  }

  headings.forEach((heading, index) => {
    const cell = element("th", undefined, numeric[index] ? "number" : "");
    cell.scope = "col";
    const button = cell.appendChild(element("button", heading));
    button.type = "button";
    button.addEventListener("click", () => sortBy(index));
    find("screen").tHead.rows[0].append(cell);
  });
  const restart = () => {
    state.page = 0;
    paint();
  };
  search.addEventListener("input", restart);
  verdict.addEventListener("change", restart);
  find("screen-download").addEventListener("click", download);
  find("screen-previous").addEventListener("click", () => {
    state.page -= 1;
    paint();
  });
  find("screen-next").addEventListener("click", () => {
    state.page += 1;
    paint();
  });
  paint();
}
