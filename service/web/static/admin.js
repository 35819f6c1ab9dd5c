// What every page of the team's side does with a script; all of it works without one, only less pleasantly.

const toasts = () => document.getElementById("toasts");

function letGo(toast) {
  let timer;
  const start = () => { timer = setTimeout(() => toast.remove(), toast.classList.contains("problem") ? 30_000 : 12_000); };
  const stop = () => clearTimeout(timer);
  for (const [event, act] of [["mouseenter", stop], ["focusin", stop], ["mouseleave", start], ["focusout", start]]) toast.addEventListener(event, act);
  start();
}

function take(root) {
  for (const toast of root.querySelectorAll("[data-toast]")) {
    toasts().append(toast);
    letGo(toast);
  }
  root.querySelector("[data-focus]")?.focus();
}

document.addEventListener("click", (event) => {
  const { target } = event;
  if (!(target instanceof Element)) return;
  target.closest("[data-close]")?.closest("[data-toast], dialog")?.[target.closest("dialog") ? "close" : "remove"]();
  const opens = target.closest("[data-opens]");
  if (opens) document.getElementById(opens.dataset.opens)?.showModal();
  const copies = target.closest("[data-copies]");
  if (copies) copy(copies, document.getElementById(copies.dataset.copies));
});

async function copy(button, source) {
  await navigator.clipboard.writeText("value" in source ? source.value : source.textContent.trim());
  const words = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = words; }, 2000);
}

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  // What is shown in a frame of the page may be asked for again and again.
  if (event.defaultPrevented || form.hasAttribute("hx-post") || form.target) return;
  if (form.dataset.sent) return void event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => { for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true"); });
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
  }
});

// A choice that shows what it chooses at once; without a script there is a button beside it.
document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-submits]")) event.target.form.requestSubmit();
});

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    const search = document.querySelector("[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
  if (event.key === "?" && !typing) document.getElementById("keys")?.showModal();
});

// What a part of a page brings that is a notice goes where notices are; a fault is shown instead of what was to be there.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status < 400 || xhr.status === 422) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
    return;
  }
  const part = new DOMParser().parseFromString(xhr.responseText, "text/html");
  if (part.querySelector("[data-toast]")) take(part);
});
document.addEventListener("htmx:sendError", () => {
  if (toasts().querySelector("[data-lost]")) return;
  const toast = document.createElement("div");
  toast.className = "toast problem";
  toast.dataset.lost = "yes";
  toast.setAttribute("role", "alert");
  toast.append(Object.assign(document.createElement("p"), { textContent: "The service cannot be reached just now. What you typed is still here." }));
  toasts().append(toast);
  letGo(toast);
});
document.addEventListener("htmx:afterSettle", (event) => take(event.detail.elt));
take(document);

// On a telephone the menu scrolls: where one is, is in sight.
document.querySelector("#menu [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// A page whose one form says what anybody would press.
document.querySelector("form[data-press]")?.requestSubmit();
