// Parts of a page that refresh themselves, without disturbing whoever reads or types.

// A part that has not changed is answered with 304, if the server is told which one is here. (Left
// to the browser's own cache, htmx would see a 200 and put the same part in once more.)
document.addEventListener("htmx:configRequest", ({ detail }) => {
  const etag = detail.target?.dataset.etag;
  if (detail.verb === "get" && etag) detail.headers["If-None-Match"] = etag;
});

// A whole page in the place of a part: who asked is no longer signed in. The page is asked for anew,
// and says so. What is merely suggested is not worth that.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!/^\s*<!doctype/i.test(detail.serverResponse)) return;
  detail.shouldSwap = false;
  if (!detail.target.matches("datalist")) location.reload();
});

let kept = null;

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (!detail.shouldSwap || !detail.target.id) return;
  const part = detail.target;
  kept = {
    checked: ids(part, "input[type=checkbox]:checked"),
    opened: ids(part, "details[open]"),
    focused: part.contains(document.activeElement) ? document.activeElement.id : "",
  };
});

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  const part = document.getElementById(detail.target.id);
  if (!part) return;
  const etag = detail.xhr.getResponseHeader("ETag");
  if (etag) part.dataset.etag = etag;
  else delete part.dataset.etag;
  if (kept === null) return;
  for (const box of found(kept.checked)) box.checked = true;
  for (const opened of found(kept.opened)) opened.open = true;
  if (kept.focused) document.getElementById(kept.focused)?.focus({ preventScroll: true });
  kept = null;
});

// After a swap that somebody asked for, the focus goes to where the part says.
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  if (detail.requestConfig.triggeringEvent) {
    document.getElementById(detail.target.id)?.querySelector("[data-focus]")?.focus();
  }
});

// Nobody reads a page that is in the background; when it is back, it is brought up to date.
document.addEventListener("htmx:configRequest", (event) => {
  if (document.hidden && !event.detail.triggeringEvent) event.preventDefault();
});

function ids(part, selector) {
  return [...part.querySelectorAll(selector)].map(({ id }) => id).filter(Boolean);
}

function found(list) {
  return list.map((id) => document.getElementById(id)).filter(Boolean);
}
