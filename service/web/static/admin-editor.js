// Writing: saves by itself, keeps what could not be saved in this browser, shows the mail as it was rendered last, and helps with
// what Markdown asks for. Without it the page is a form with a button.

const root = document.querySelector("[data-editor]");
const form = document.getElementById("text-form");
const [subject, preheader, body] = ["subject", "preheader", "body"].map((id) => document.getElementById(id));
const saved = document.getElementById("saved");
const mail = document.getElementById("mail");
const looks = document.getElementById("looks");
const kept = `broadsheet-issue-${root.dataset.issue}`;
const { overTextarea, setText, wrap, prefixLines, insert, goToLine, startCompletion } = await import(root.dataset.vendor);

let base = Number(root.dataset.base);
let timer, waiting = false, saving = false, collided = false;
let last = written();

function written() {
  return JSON.stringify([subject.value, preheader.value, body.value]);
}

function tell(text, bad = false) {
  saved.textContent = text;
  saved.classList.toggle("bad", bad);
}

function changed() {
  count();
  if (written() === last || collided) return;
  tell("Not saved yet");
  localStorage.setItem(kept, JSON.stringify({ at: Date.now(), text: written() }));
  clearTimeout(timer);
  timer = setTimeout(() => save(true), 2000);
}

async function save(auto) {
  clearTimeout(timer);
  if (saving) { waiting = true; return; }
  if (collided || (auto && written() === last)) return;
  saving = true;
  const sent = written();
  const fields = new FormData(form);
  fields.set("base", base);
  if (auto) fields.set("auto", "yes");
  tell("Saving…");
  try {
    const answer = await fetch(root.dataset.save, { method: "POST", body: fields, headers: { Accept: "application/json", "X-Form-Seal": root.dataset.seal }, redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.status === 403) {
      tell("You are signed out. Your text is kept in this browser: sign in again in another window, then press Save.", true);
      timer = setTimeout(() => save(true), 30_000);
      return;
    }
    const told = await answer.json();
    if (answer.status === 409) return collide(told);
    if (!answer.ok) return tell(told.error || "It could not be saved.", true);
    taken(told, sent);
  } catch {
    tell("The service cannot be reached. Your text is kept in this browser, and saved as soon as it can be.", true);
    timer = setTimeout(() => save(true), 10_000);
  } finally {
    saving = false;
    if (waiting) { waiting = false; save(true); }
  }
}

function taken(told, sent) {
  base = told.number;
  form.elements.base.value = base;
  if ("body" in told && written() === sent) {
    [subject.value, preheader.value] = [told.subject, told.preheader];
    setText(view, told.body);
    sent = written();
  }
  last = sent;
  if (written() === last) localStorage.removeItem(kept);
  tell(told.problems.length ? `Saved ${told.at}, but it cannot be rendered yet: ${told.problems[0]}` : `Saved ${told.at}${"body" in told ? ", with what somebody else changed" : ""}`, told.problems.length > 0);
  if (!told.problems.length) show();
  document.body.dispatchEvent(new Event("text-saved"));
  changed();
}

function collide(told) {
  collided = true;
  tell(`${told.error} `, true);
  const link = Object.assign(document.createElement("a"), { href: told.where, textContent: "Compare the two" });
  saved.append(link);
}

function show() {
  const asked = new URLSearchParams(new FormData(looks));
  for (const name of ["width", "form_seal"]) asked.delete(name);
  // A reader's address is posted: it must stand in no address of a page, which histories and logs keep.
  if (asked.get("reader")) looks.submit();
  else {
    asked.delete("reader");
    mail.src = `${looks.action}?${asked}`;
  }
  mail.classList.toggle("phone", looks.elements.width.value === "phone");
}

function count() {
  for (const place of document.querySelectorAll("[data-counts]")) {
    const number = [...document.getElementById(place.dataset.counts).value].length;
    place.textContent = number ? `${number} characters` : "";
    place.classList.toggle("over", number > Number(place.dataset.most));
  }
}

async function addPictures(files) {
  for (const file of files) {
    if (!file.type.startsWith("image/")) continue;
    tell(`Taking ${file.name}…`);
    const fields = new FormData();
    fields.set("picture", file, file.name || "picture.png");
    const answer = await fetch(root.dataset.pictures, { method: "POST", body: fields, headers: { "X-Form-Seal": root.dataset.seal } });
    const told = await answer.json();
    if (!answer.ok) { tell(told.error, true); continue; }
    insert(view, `\n![What the picture shows](${told.name})\n`, [3, 25]);
  }
}

function note() {
  const used = [...body.value.matchAll(/\[\^(\d+)\]/g)].map((found) => Number(found[1]));
  const number = Math.max(0, ...used) + 1;
  const at = view.state.selection.main.to;
  const text = `[^${number}]`;
  const end = `\n\n[^${number}]: `;
  view.dispatch({ changes: [{ from: at, insert: text }, { from: view.state.doc.length, insert: end }], selection: { anchor: view.state.doc.length + text.length + end.length }, scrollIntoView: true });
  view.focus();
}

function link() {
  const { from, to } = view.state.selection.main;
  const words = view.state.sliceDoc(from, to) || "words";
  insert(view, `[${words}](https://)`, [words.length + 3, words.length + 11]);
}

const fields = [...document.querySelectorAll("#tags option")].map((option) => option.value);
function completeTag(context) {
  const found = context.matchBefore(/\{\{\s*\w*/);
  if (!found && !context.explicit) return null;
  return { from: found ? found.from : context.pos, options: fields.map((name) => ({ label: `{{ ${name} | default: "" }}`, detail: name })), filter: false };
}

const act = {
  bold: () => wrap(view, "**"), italic: () => wrap(view, "*"), link, note,
  heading: () => prefixLines(view, "## "), list: () => prefixLines(view, "- "), quote: () => prefixLines(view, "> "),
  button: () => insert(view, "\n::: button\n[Words on the button](https://)\n:::\n", [13, 32]),
  tag: () => { view.focus(); startCompletion(view); },
  picture: () => {
    const chooser = Object.assign(document.createElement("input"), { type: "file", accept: "image/*", multiple: true });
    chooser.addEventListener("change", () => addPictures(chooser.files));
    chooser.click();
  },
};

const key = (name, run) => ({ key: name, run: () => { run(); return true; }, preventDefault: true });
const view = overTextarea(body, {
  nonce: root.dataset.nonce, label: "Text", completions: completeTag, onChange: changed,
  keys: [key("Mod-b", act.bold), key("Mod-i", act.italic), key("Mod-k", act.link), { key: "Escape", run: () => { document.querySelector(".saving button").focus(); return true; } }],
});
// A long text scrolls within its frame, which must be reachable by whoever scrolls with the keyboard alone.
view.scrollDOM.tabIndex = 0;
view.scrollDOM.setAttribute("role", "region");
view.scrollDOM.setAttribute("aria-label", "Text, to scroll");
document.querySelector(".toolbar").hidden = false;

for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => act[button.dataset.do]());
for (const field of [subject, preheader]) field.addEventListener("input", changed);
form.addEventListener("submit", (event) => { event.preventDefault(); delete form.dataset.sent; save(false); });
looks.addEventListener("submit", (event) => { event.preventDefault(); delete looks.dataset.sent; show(); });
looks.addEventListener("change", show);
document.addEventListener("keydown", (event) => {
  const command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "s") { event.preventDefault(); save(false); }
  if (command && event.shiftKey && event.key.toLowerCase() === "p") { event.preventDefault(); document.activeElement === mail ? view.focus() : mail.focus(); }
});
document.addEventListener("click", (event) => {
  const line = event.target.closest?.("[data-line]");
  if (line) goToLine(view, Number(line.dataset.line));
});
view.dom.addEventListener("drop", (event) => { if (event.dataTransfer?.files.length) { event.preventDefault(); addPictures(event.dataTransfer.files); } }, true);
view.dom.addEventListener("paste", (event) => { if (event.clipboardData?.files.length) { event.preventDefault(); addPictures(event.clipboardData.files); } }, true);
window.addEventListener("beforeunload", (event) => { if (written() !== last && !collided) event.preventDefault(); });

const before = JSON.parse(localStorage.getItem(kept) || "null");
if (before && before.text !== last) {
  const dialog = document.getElementById("lost");
  document.getElementById("lost-when").textContent = `on ${new Date(before.at).toLocaleString("en-GB")}`;
  document.getElementById("lost-take").addEventListener("click", () => {
    const [words, shown, text] = JSON.parse(before.text);
    [subject.value, preheader.value] = [words, shown];
    setText(view, text);
    dialog.close();
    changed();
  });
  document.getElementById("lost-drop").addEventListener("click", () => { localStorage.removeItem(kept); dialog.close(); });
  dialog.showModal();
}
count();
root.dataset.ready = "yes";
