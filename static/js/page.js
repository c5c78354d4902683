// Small comforts: dialogs, menus, toasts, selections, and a form that is sent once. Every page
// works without them.

document.addEventListener("click", (event) => {
  const { target } = event;
  const opener = target.closest("[data-dialog]");
  if (opener) {
    event.preventDefault();
    document.getElementById(opener.dataset.dialog).showModal();
  }
  if (target.closest("[data-close]")) {
    event.preventDefault();
    target.closest("dialog")?.close();
    target.closest(".toast")?.remove();
  }
  if (target.matches("dialog")) target.close(); // the backdrop
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(target)) menu.open = false;
  }
});

// "/" leads to the search, unless somebody types or uses a dialog.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, [contenteditable], dialog")) return;
  const search = document.getElementById("top-search");
  if (!search?.checkVisibility()) return;
  event.preventDefault();
  search.select();
});

document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A dialog whose content was fetched opens with it.
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target.matches("dialog") && !detail.target.open) detail.target.showModal();
});

// A form is sent once, however often its button is pressed. Coming back to the page frees it.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  form.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-busy", "true");
}, { capture: true });
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(free));
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  const form = detail.elt.closest("form");
  if (form) free(form);
});

function free(form) {
  delete form.dataset.sent;
  form.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
}

// Toasts that need no answer go by themselves; those with a button, and errors, stay.
const TOAST_MILLISECONDS = 8000;
const HEARD_AFTER_MILLISECONDS = 100;
const toasts = document.getElementById("toasts");
const fade = (toast) => {
  if (toast.nodeType !== Node.ELEMENT_NODE || toast.matches(".error, :has(form)")) return;
  setTimeout(() => toast.remove(), TOAST_MILLISECONDS);
};
if (toasts) {
  // Screen readers tell what is put among them, and not what the page came with: so it is put there.
  const said = [...toasts.children];
  toasts.replaceChildren();
  setTimeout(() => toasts.append(...said), HEARD_AFTER_MILLISECONDS);
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) addedNodes.forEach(fade);
  }).observe(toasts, { childList: true });
}

// A form that comes back with something wrong in it begins at the first field that is.
document.querySelector("main [aria-invalid=true]")?.focus();

// How many rows are selected, and all of them at once.
document.addEventListener("change", ({ target }) => {
  const form = target.closest("form");
  if (!form) return;
  const rows = [...form.querySelectorAll("input[data-row]")];
  if (target.matches("[data-all]")) rows.forEach((row) => (row.checked = target.checked));
  const chosen = rows.filter((row) => row.checked).length;
  form.querySelectorAll("[data-chosen]").forEach((place) => (place.textContent = chosen));
});

// A control that says so sends its form when it changes; without a script there is a button.
document.addEventListener("change", ({ target }) => {
  if (target.matches("[data-submit]")) target.form.requestSubmit();
});

// A person's time zone is proposed, where the server knows it.
const guess = document.querySelector("select[data-guess-zone]");
if (guess) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...guess.options].some(({ value }) => value === zone)) guess.value = zone;
}
