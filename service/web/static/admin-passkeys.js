// Passkeys: the browser asks the device, and what it answers goes with the form that is there without a script too.

const forms = document.querySelectorAll("form[data-passkey]");
const known = "PublicKeyCredential" in window && "parseRequestOptionsFromJSON" in PublicKeyCredential;
for (const form of forms) {
  if (!known) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    const said = form.querySelector("[data-said]");
    try {
      const answer = await fetch(form.dataset.options, { method: "POST", headers: { "X-Form-Seal": form.elements.form_seal.value } });
      if (!answer.ok) throw new Error(answer.status);
      const options = await answer.json();
      const credential = form.dataset.passkey === "add"
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
      form.elements.credential.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch (error) {
      said.textContent = error.name === "InvalidStateError" ? "This device has a passkey for you already." : "Nothing was done: the device gave no passkey. Try again.";
    }
  }, { capture: true });
}
