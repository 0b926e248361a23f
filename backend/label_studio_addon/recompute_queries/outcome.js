// Shows what "Recompute queries" answered: the Data Manager itself shows no text of an action that went well.
(() => {
  const LOOK_MS = 500;
  const SHOWN_MS = 30000;
  let known = null;

  const tell = (action, { result } = {}) => {
    const text = result?.detail ?? result?.response?.detail;
    if (action !== "recompute_queries" || !text) return;
    known.invoke("toast", { message: text, type: result.error ? "error" : "info", duration: SHOWN_MS });
    if (result.page) setTimeout(() => link(text, result.page), LOOK_MS);
  };

  // A notification takes plain text only, and its text cannot be selected: make the address in it one to click.
  const link = (text, address) => {
    const [shown] = [...document.querySelectorAll("li div")].filter((box) => !box.children.length && box.textContent === text);
    if (!shown) return;
    const [before, after] = text.split(address);
    const anchor = Object.assign(document.createElement("a"), { href: address, target: "_blank", rel: "noopener", textContent: address });
    anchor.style.textDecoration = "underline";
    anchor.style.color = "inherit";
    shown.replaceChildren(before, anchor, after);
  };

  // The Data Manager is made anew whenever its page is opened.
  setInterval(() => {
    const manager = window.dataManager;
    if (!manager || manager === known || typeof manager.on !== "function") return;
    known = manager;
    manager.on("actionDialogOkComplete", tell);
  }, LOOK_MS);
})();
