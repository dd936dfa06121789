"use strict";
// Makes the page handier: sorting, filtering, one accuracy at a time, copying, cards that open where a link leads.
(() => {
  const make = (tag, text, more) => Object.assign(document.createElement(tag), { textContent: text }, more);
  const textOf = (row, index) => {
    const cell = row.cells[index].cloneNode(true);
    cell.querySelectorAll("sup").forEach((mark) => mark.remove());
    return cell.textContent.trim();
  };
  const numberOf = (text) => {
    const found = text.replace(/,/g, "").match(/^[-+]?\d+(\.\d+)?(e[-+]?\d+)?/);
    return found ? Number(found[0]) : null;
  };

  const sortBy = (table, index, down) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[index].setAttribute("aria-sort", down ? "descending" : "ascending");
    const numeric = heads[index].classList.contains("number");
    const rows = [...table.tBodies[0].rows].map((row) => {
      const text = textOf(row, index);
      return { row, value: numeric ? numberOf(text) : text };
    });
    const missing = (value) => value === null || value === "–";
    rows.sort((a, b) => {
      if (missing(a.value) || missing(b.value)) return missing(a.value) - missing(b.value);
      const order = numeric ? a.value - b.value : a.value.localeCompare(b.value);
      return down ? -order : order;
    });
    rows.forEach(({ row }) => { row.classList.remove("first"); table.tBodies[0].append(row); });
  };

  const sortable = (table) => [...table.tHead.rows[0].cells].forEach((head, index) => {
    const button = make("button", "", { type: "button" });
    button.append(head.firstChild);
    head.prepend(button);
    button.addEventListener("click", () => sortBy(table, index, head.getAttribute("aria-sort") === "ascending"));
  });

  const filter = (table, tools) => {
    const label = make("label", "Filter ");
    const field = make("input", "", { type: "search", placeholder: "dsr, T=5, …" });
    const told = make("span", "", { role: "status" });
    label.append(field);
    tools.append(label, told);
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
      const rows = [...table.tBodies[0].rows];
      const heads = [...table.tHead.rows[0].cells].map((_, index) => textOf(table.tHead.rows[0], index).toLowerCase());
      const at = (row, word) => { // a column of T, or in a matrix the column of this T
        const column = heads.indexOf(word);
        return column < 0 ? heads[1] === "t" && `t=${textOf(row, 1)}` === word : !["", "–"].includes(textOf(row, column));
      };
      rows.forEach((row) => {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => (word.startsWith("t=") ? at(row, word) : text.includes(word)));
      });
      const left = rows.filter((row) => !row.hidden).length;
      told.textContent = words.length ? `${left} of ${rows.length} lines` : "";
    });
  };

  let toggles = 0;
  const accuracies = (table, tools) => {
    const heads = [...table.tHead.rows[0].cells];
    const kinds = heads.map((head) => head.dataset.accuracy || "");
    if (!kinds.some(Boolean)) return;
    const names = { last: "last epoch", best: "best on test", selected: "selected on validation", all: "all" };
    const group = make("fieldset", "");
    group.append(make("legend", "Accuracy"));
    toggles += 1;
    const show = (chosen) => [table.tHead.rows[0], ...table.tBodies[0].rows].forEach((row) => kinds.forEach((kind, index) => {
      row.cells[index].hidden = Boolean(kind) && chosen !== "all" && kind !== chosen;
    }));
    Object.entries(names).forEach(([kind, name]) => {
      const label = make("label", "");
      const radio = make("input", "", { type: "radio", name: `accuracy-${toggles}`, value: kind, checked: kind === "last" });
      radio.addEventListener("change", () => show(kind));
      label.append(radio, ` ${name}`);
      group.append(label);
    });
    tools.append(group);
    show("last");
  };

  const copied = async (text) => {
    if (navigator.clipboard && window.isSecureContext) {
      try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed here: the old way */ }
    }
    const field = make("textarea", "", { value: text });
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  };
  const copier = (name, text) => {
    const button = make("button", name, { type: "button", className: "plain" });
    button.addEventListener("click", async () => {
      button.textContent = (await copied(text())) ? "Copied" : "Select and copy by hand";
      setTimeout(() => { button.textContent = name; }, 2000);
    });
    return button;
  };
  document.querySelectorAll(".card").forEach((card) => {
    const source = card.querySelector("pre");
    if (source) source.before(copier("Copy", () => source.textContent));
  });

  // what is shown, in the order in which it is shown
  const shown = (table) => [table.tHead.rows[0], ...table.tBodies[0].rows].filter((row) => !row.hidden)
    .map((row) => [...row.cells].flatMap((cell, index) => (cell.hidden ? [] : [{ index, text: textOf(row, index) }])));
  const csv = (table) => shown(table).map((row) => row.map(({ text }) => (
    /[",\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text)).join(",")).join("\n") + "\n";
  const latex = (table) => {
    const numeric = [...table.tHead.rows[0].cells].map((head) => head.classList.contains("number"));
    const escaped = ({ text }) => [...text].map((one) => LATEX[one] || one).join("");
    const [head, ...rows] = shown(table).map((row) => `${row.map(escaped).join(" & ")} \\\\`);
    const sides = shown(table)[0].map(({ index }) => (numeric[index] ? "r" : "l")).join("");
    return [`\\begin{tabular}{${sides}}`, "\\toprule", head, "\\midrule", ...rows, "\\bottomrule", "\\end{tabular}", ""].join("\n");
  };

  document.querySelectorAll("article").forEach((article) => {
    const table = article.querySelector("table");
    const tools = article.querySelector(".tools");
    sortable(table);
    if (table.tBodies[0].rows.length > 6) filter(table, tools);
    accuracies(table, tools);
    const copies = make("span", "", { className: "copies" });
    copies.append(copier("Copy as CSV", () => csv(table)), copier("as LaTeX", () => latex(table)));
    tools.append(copies);
    tools.hidden = false;
    table.tBodies[0].addEventListener("click", (event) => {
      const link = event.target.closest("td, th").querySelector("a") || event.target.closest("tr").querySelector("th a");
      if (link && !event.target.closest("a") && String(getSelection()) === "") location.hash = link.hash;
    });
    if (table.tBodies[0].rows.length > 30) table.closest(".box").classList.add("tall");
  });

  const openTarget = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at instanceof HTMLDetailsElement) at.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", openTarget);
  openTarget();
})();
