// Live parts, and pictures on a click. Nothing here evaluates text, and nothing is needed to read a page.
"use strict";

(() => {
  const KEPT = "whenfinal.ops.rate"; // seconds between two looks, 0: off
  const tags = new WeakMap(); // the ETag of what an element shows
  const live = document.querySelector("#live[hx-get]");
  const rate = document.querySelector("[data-rate]");
  let stream = null; // notices of what happens to the one task that a page shows

  const say = (words) => {
    const state = rate?.querySelector("[data-state]");
    if (state && state.textContent !== words) state.textContent = words;
  };

  const calm = () => (stream?.readyState === 1 ? "live" : "");

  const chosen = () => {
    try {
      return Number(localStorage.getItem(KEPT) ?? "15") || 0;
    } catch {
      return 15;
    }
  };

  if (live && rate) {
    const choice = rate.querySelector("[data-choice]");
    let timer = 0;
    const look = () => {
      if (!document.hidden) htmx.trigger(live, "ops:tick");
    };
    const start = () => {
      clearInterval(timer);
      const seconds = chosen();
      choice.value = String(seconds);
      if (seconds) timer = setInterval(look, seconds * 1000);
      say(seconds ? calm() : "not refreshed");
      if (seconds) listen();
      else hangUp();
    };
    const told = document.querySelector("[data-stream]")?.dataset.stream;
    const hangUp = () => {
      stream?.close();
      stream = null;
    };
    // The chosen rate goes on beside it: it is all there is where no stream opens.
    const listen = () => {
      if (!told || stream || document.hidden || !chosen()) return;
      stream = new EventSource(told);
      stream.addEventListener("open", () => say(calm()));
      stream.addEventListener("changed", look);
      stream.addEventListener("ended", () => {
        hangUp();
        look();
      });
      stream.addEventListener("error", () => say(calm()));
    };
    addEventListener("pagehide", hangUp);
    addEventListener("pageshow", listen);
    choice.addEventListener("change", () => {
      try {
        localStorage.setItem(KEPT, choice.value);
      } catch { /* the choice then holds for this page */ }
      start();
    });
    // What goes on, such as a run, is looked at every second until it has ended.
    setInterval(() => {
      if (chosen() && live.querySelector("[data-goes-on]")) look();
    }, 1000);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) hangUp();
      else if (chosen()) {
        look();
        listen();
      }
    });
    rate.hidden = false;
    start();
  }

  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    const tag = tags.get(ctx.sourceElement);
    if (tag) ctx.request.headers["If-None-Match"] = tag;
  });

  // An answer that is no fragment leaves what is shown as it is.
  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    const { status, headers } = ctx.response;
    if (status === 401) {
      event.preventDefault();
      location.reload();
    } else if (status >= 400) {
      event.preventDefault();
      say(`status ${status}: this is as of earlier`);
    } else {
      const tag = headers.get("ETag");
      if (tag) tags.set(ctx.sourceElement, tag);
      say(calm());
    }
  });

  document.addEventListener("htmx:error", () => say("no connection: this is as of earlier"));

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-show]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    const kind = ["video", "audio"].includes(link.dataset.show) ? link.dataset.show : "img";
    const shown = document.createElement(kind);
    if (kind !== "img") {
      shown.controls = true;
      shown.setAttribute("aria-label", link.dataset.label ?? kind);
    } else {
      shown.alt = link.dataset.label ?? "picture";
    }
    shown.className = "shown";
    shown.src = link.href;
    shown.addEventListener("error", () => {
      const words = document.createElement("p");
      words.className = "notice bad";
      words.append("It cannot be shown. ");
      const why = document.createElement("a");
      why.href = link.href;
      why.textContent = "Why?";
      words.append(why);
      shown.replaceWith(words);
    });
    link.replaceWith(shown);
  });

  // A link to a box that is closed opens it.
  const openNamed = () => {
    const named = location.hash && document.getElementById(location.hash.slice(1));
    if (named instanceof HTMLDetailsElement) named.open = true;
  };
  addEventListener("hashchange", openNamed);
  openNamed();

  // One press of a button that acts is one act; the server knows it too.
  document.addEventListener("submit", (event) => {
    const { target } = event;
    if (target.method !== "post") return;
    if (target.dataset.sent) event.preventDefault();
    target.dataset.sent = "yes";
  });
  addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((each) => delete each.dataset.sent);
  });
})();
