// Shows what "Recompute queries" answered: the Data Manager itself shows no text of an action that went well.
(() => {
  const LOOK_MS = 500;
  const SHOWN_MS = 30000;
  let known = null;

  const tell = (action, { result } = {}) => {
    const text = result?.detail ?? result?.response?.detail;
    if (action !== "recompute_queries" || !text) return;
    known.invoke("toast", { message: text, type: result.error ? "error" : "info", duration: SHOWN_MS });
  };

  // The Data Manager is made anew whenever its page is opened.
  setInterval(() => {
    const manager = window.dataManager;
    if (!manager || manager === known || typeof manager.on !== "function") return;
    known = manager;
    manager.on("actionDialogOkComplete", tell);
  }, LOOK_MS);
})();
