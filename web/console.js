// What a page of the console does beyond being read: it stays fresh, knows keys, and counts down.
// Nothing here decides or executes: it follows links, and asks for the page again.
const byId = (id) => document.getElementById(id);

// --- Fresh pages -----------------------------------------------------------------------------------------------
// Parts marked `data-live` are replaced by what the same address gives now, unless somebody types in them.
const live = [...document.querySelectorAll("[data-live]")].some((part) => part.id !== "banner") || byId("banner");
let wanted = false;
let asking = false;

// A part that somebody types in or presses on stays as it is until they are done.
let pressed = false;
addEventListener("pointerdown", () => { pressed = true; }, true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(() => { pressed = false; }, 100), true);
const busy = (part) => {
  if (pressed) return true;
  const at = document.activeElement;
  return part.contains(at) && at.matches("input:not([type=checkbox]), textarea, select") ? true : part.querySelector("dialog[open]") !== null;
};

async function refresh() {
  if (asking || document.hidden) {
    wanted = true;
    return;
  }
  asking = true;
  wanted = false;
  try {
    const answer = await fetch(location.href, { headers: { "x-sluicegate-live": "1", accept: "text/html" }, cache: "no-store" });
    if (answer.status === 401) return signedOut();
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (!next) { part.remove(); continue; }
      if (next.outerHTML === part.outerHTML) continue;
      if (busy(part)) { later(); continue; }
      const ticked = new Set([...part.querySelectorAll("input:checked[value]")].map((box) => box.value));
      const open = new Set([...part.querySelectorAll("details[open][id]")].map((details) => details.id));
      const focus = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      const before = new Map([...part.querySelectorAll("[data-row]")].map((row) => [row.dataset.row, row.textContent]));
      part.replaceWith(next);
      for (const box of next.querySelectorAll("input[type=checkbox][value]")) box.checked = box.checked || ticked.has(box.value);
      for (const id of open) next.querySelector(`details[id="${CSS.escape(id)}"]`)?.setAttribute("open", "");
      for (const row of next.querySelectorAll("[data-row]")) if (before.get(row.dataset.row) !== row.textContent) row.classList.add("fresh");
      if (focus) next.querySelector(`a[href="${CSS.escape(focus)}"]`)?.focus();
      mark();
    }
    const banner = fresh.getElementById("banner");
    if (banner && !byId("banner")) document.querySelector(".page").prepend(banner);
    stale(false);
    tick();
  } catch {
    stale(true);
  } finally {
    asking = false;
    if (wanted) setTimeout(refresh, 250);
  }
}

let waits = 0;
function later() {
  clearTimeout(waits);
  waits = setTimeout(refresh, 2000);
}

let staleSince = null;
function stale(is) {
  const note = byId("stale");
  if (!note) return;
  if (!is) {
    staleSince = null;
    note.hidden = true;
    return;
  }
  staleSince ??= new Date();
  note.textContent = `Stale since ${staleSince.toTimeString().slice(0, 8)}: the service does not answer. What you see may have changed.`;
  note.hidden = false;
}

function signedOut() {
  const note = byId("stale");
  note.textContent = "You are signed out. ";
  const link = document.createElement("a");
  link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
  link.textContent = "Sign in again";
  note.append(link);
  note.hidden = false;
}

if (live && byId("stale")) {
  const stream = new EventSource("/live");
  // What happened between the making of this page and the beginning of the stream was heard by nobody.
  stream.addEventListener("hello", (event) => { if (staleSince || event.data !== document.body.dataset.log) refresh(); });
  stream.addEventListener("changed", (event) => {
    const of = document.querySelector("[data-ticket]")?.dataset.ticket;
    const said = JSON.parse(event.data);
    if (!of || said.tickets.length === 0 || said.tickets.includes(of) || said.kinds.includes("kill_switch") || said.kinds.includes("mode_changed")) refresh();
  });
  stream.addEventListener("over", () => { stream.close(); signedOut(); });
  stream.onerror = () => stale(true);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && wanted) refresh(); });
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

// --- Times -----------------------------------------------------------------------------------------------------
const span = (seconds) => {
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (days) return hours && days < 4 ? `${days} d ${hours} h` : `${days} d`;
  if (hours) return minutes && hours < 10 ? `${hours} h ${minutes} min` : `${hours} h`;
  return minutes ? `${minutes} min` : `${Math.floor(seconds)} s`;
};
// Clocks of browsers are often wrong: what counts is the service's, as of when the page was made.
const skew = () => Number(document.querySelector("[data-now]")?.dataset.now ?? Date.now()) - loaded;
const loaded = Date.now();
function tick() {
  const now = Date.now() + skew();
  for (const time of document.querySelectorAll("time[data-until]")) {
    const left = (Date.parse(time.dateTime) - now) / 1000;
    time.textContent = left >= 0 ? span(left) : `${span(-left)} over`;
    time.classList.toggle("over", left < 0);
  }
  for (const time of document.querySelectorAll("time[data-ago]")) time.textContent = `${span(Math.max(0, (now - Date.parse(time.dateTime)) / 1000))} ago`;
  for (const time of document.querySelectorAll("time[datetime]:not([title])")) time.title = new Date(time.dateTime).toLocaleString();
}
tick();
setInterval(tick, 1000);

// --- Keys ------------------------------------------------------------------------------------------------------
// A key moves, opens, or leads to the page that asks. None executes.
const rows = () => [...document.querySelectorAll("[data-row]")];
let at = null;
function mark() {
  for (const row of rows()) row.classList.toggle("at", row.dataset.row === at);
}
function move(by) {
  const all = rows();
  if (!all.length) return;
  const place = all.findIndex((row) => row.dataset.row === at);
  const next = all[Math.min(all.length - 1, Math.max(0, place < 0 ? 0 : place + by))];
  at = next.dataset.row;
  mark();
  next.querySelector("a")?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

let going = 0;
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openPalette();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input, textarea, select, dialog, [contenteditable]")) {
    if (event.key === "Escape" && event.target.matches("input[type=search]")) event.target.blur();
    return;
  }
  if (Date.now() - going < 1500) {
    going = 0;
    const place = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    if (place) { event.preventDefault(); place.click(); }
    return;
  }
  const leads = (key) => document.querySelector(`a[data-key="${CSS.escape(key)}"]`);
  switch (event.key) {
    case "j": case "k":
      event.preventDefault();
      return move(event.key === "j" ? 1 : -1);
    case "g": going = Date.now(); return;
    case "/": {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
      return;
    }
    case "?": event.preventDefault(); return byId("keys")?.showModal();
    case "Enter": {
      if (event.target !== document.body && event.target.id !== "main") return;
      document.querySelector("[data-row].at a")?.click();
      return;
    }
    default: {
      const link = leads(event.key);
      if (link) { event.preventDefault(); link.click(); }
    }
  }
});

// --- Go anywhere -----------------------------------------------------------------------------------------------
const palette = byId("palette");
const openPalette = () => {
  if (!palette || palette.open) return;
  palette.showModal();
  byId("palette-text").value = "";
  fill("");
};
function fill(text) {
  const list = byId("palette-list");
  const sought = text.trim().toLowerCase();
  const links = [...document.querySelectorAll(".places a, a[data-key], a[data-command]")];
  const found = links.map((link) => ({ name: link.dataset.command || link.textContent.trim(), href: link.href })).filter((link) => link.name.toLowerCase().includes(sought));
  if (sought) found.push({ name: `Find “${text.trim()}” in all tickets`, href: `/tickets?q=${encodeURIComponent(text.trim())}` });
  list.replaceChildren(...found.slice(0, 12).map((link, place) => {
    const item = document.createElement("li");
    item.id = `palette-${place}`;
    item.role = "option";
    item.dataset.href = link.href;
    item.ariaSelected = String(place === 0);
    item.textContent = link.name;
    return item;
  }));
  byId("palette-text").setAttribute("aria-activedescendant", found.length ? "palette-0" : "");
}
if (palette) {
  const text = byId("palette-text");
  const go = (item) => { if (item) location.href = item.dataset.href; };
  text.addEventListener("input", () => fill(text.value));
  text.addEventListener("keydown", (event) => {
    const items = [...byId("palette-list").children];
    const place = items.findIndex((item) => item.ariaSelected === "true");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = items[(place + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length];
      for (const item of items) item.ariaSelected = String(item === next);
      if (next) { text.setAttribute("aria-activedescendant", next.id); next.scrollIntoView({ block: "nearest" }); }
    } else if (event.key === "Enter") {
      event.preventDefault();
      go(items[Math.max(0, place)]);
    }
  });
  byId("palette-list").addEventListener("click", (event) => go(event.target.closest("li")));
  const button = document.querySelector("[data-palette-open]");
  button.hidden = false;
  button.addEventListener("click", openPalette);
}

// --- Small things ----------------------------------------------------------------------------------------------
document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    try {
      await navigator.clipboard.writeText(copy.dataset.copy);
      const said = copy.textContent;
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = said; }, 1500);
    } catch { copy.textContent = "Select it by hand"; }
    return;
  }
  const back = event.target.closest("[data-back]");
  if (back && history.length > 1 && document.referrer.startsWith(location.origin)) {
    event.preventDefault();
    location.href = document.referrer;
  }
  if (!event.target.closest(".what")) for (const open of document.querySelectorAll("details.what[open]")) open.open = false;
});
// A form that was sent once is not sent twice by an impatient hand.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) return event.preventDefault();
  event.target.dataset.sent = "1";
});
// A button marked so wakes only when the person has typed the word that it names.
for (const field of document.querySelectorAll("[data-typed]")) {
  const button = field.form?.querySelector("button[type=submit]");
  const look = () => { if (button) button.disabled = field.value.trim() !== field.dataset.typed; };
  field.addEventListener("input", look);
  look();
}
