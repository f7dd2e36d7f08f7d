// Keeps the page as it would be if it were loaded again, without loading it again: the server says which jobs changed, the
// page fetches itself, and what differs is exchanged. Without this script all pages work; they only stand still.
"use strict";

(() => {
  const pause = 400; // ms between two fetches, however many jobs change
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const byId = (id) => document.getElementById(id);
  const list = byId("jobs");
  const shown = document.body.dataset.key; // the job of a job's page
  let position = document.body.dataset.position;
  let source, retry, timer, running, isStale = false, notBefore = 0;
  const untold = new Map(); // key → the change that the page does not show yet

  // ---- the stream

  function connect() {
    clearTimeout(retry);
    if (source) source.close();
    source = new EventSource("/live?after=" + encodeURIComponent(position));
    source.onopen = () => say("on");
    source.addEventListener("job", (e) => { position = e.lastEventId; changed(JSON.parse(e.data)); });
    source.addEventListener("refresh", (e) => { position = e.lastEventId; changed(null); });
    source.onerror = () => {
      say("off");
      if (source.readyState === EventSource.CLOSED) { // refused: the browser does not try again by itself
        retry = setTimeout(connect, 5000 + Math.random() * 5000);
      }
    };
  }

  function say(state) {
    byId("live").hidden = false;
    byId("live").dataset.state = state;
    byId("live-text").textContent = state === "on" ? "Live" : "Reconnecting";
  }

  // A browser allows few connections to a server at once: a page that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { clearTimeout(retry); source.close(); } else { connect(); }
  });
  addEventListener("pageshow", (e) => { if (e.persisted) connect(); });

  // changed is told of a change, or with null that the page may differ in anything.
  function changed(change) {
    if (!list && !shown) return;
    if (shown && change && change.key !== shown) return;
    if (change) untold.set(change.key, change);
    isStale = true;
    schedule();
  }

  // schedule fetches as soon as that is allowed. While a fetch runs it does nothing: the end of that one comes back here,
  // so that a slow network is never outrun by changes.
  function schedule() {
    if (timer || running || !isStale) return;
    timer = setTimeout(() => { timer = 0; load(location.href, new Map(untold)); }, Math.max(0, notBefore - performance.now()));
  }

  // ---- fetching this page again

  // load fetches an address of this page and shows what it says. changes are the live ones that led here, null where the
  // visitor did, who does not wait for a fetch that runs already.
  async function load(url, changes) {
    if (running) running.abort();
    clearTimeout(timer);
    timer = 0;
    const mine = running = new AbortController();
    isStale = false;
    notBefore = performance.now() + pause;
    const answer = await ask(url, AbortSignal.any([mine.signal, AbortSignal.timeout(10000)]));
    if (mine !== running) return;
    running = null;
    if (!answer) {
      notBefore = performance.now() + 3000;
      isStale = true;
    } else if (list) {
      showList(answer.page, changes);
    } else {
      showJob(answer.status, answer.page);
    }
    if (answer && changes) for (const [key, change] of changes) if (untold.get(key) === change) untold.delete(key);
    schedule();
  }

  // ask fetches a page; null where the board is away or answers something else.
  async function ask(url, signal) {
    try {
      const response = await fetch(url, { signal, headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      return response.status === 503 || (list && !page.getElementById("jobs")) ? null : { status: response.status, page };
    } catch {
      return null;
    }
  }

  // exchange takes an element from the other page where it differs, unless the visitor is in it.
  function exchange(next, id) {
    const old = byId(id), fresh = next.getElementById(id);
    if (!old || !fresh || old.isEqualNode(fresh) || old.contains(document.activeElement)) return;
    old.replaceWith(document.importNode(fresh, true));
  }

  // ---- the list

  function showList(next, changes) {
    const fresh = next.getElementById("jobs");
    document.title = next.title;
    for (const id of ["bar", "empty", "pages"]) exchange(next, id);
    for (const filter of document.querySelectorAll(".filter")) showFilter(next, filter, changes);
    const news = place(fresh, Boolean(changes));
    if (changes) tell(news, changes); else byId("news").textContent = byId("count").textContent;
  }

  // showFilter takes a filter's choices from the other page. One that the visitor may have open is left alone while jobs
  // come and go, and filled in place after a choice.
  function showFilter(next, filter, changes) {
    const fresh = next.getElementById(filter.id);
    if (!filter.contains(document.activeElement)) { exchange(next, filter.id); return; }
    filter.className = fresh.className;
    if (changes) return;
    const select = filter.querySelector("select"), chosen = select.value;
    select.replaceChildren(...document.importNode(fresh.querySelector("select"), true).children);
    select.value = chosen;
  }

  const staying = (li) => { while (li && li.classList.contains("leaving")) li = li.nextElementSibling; return li; };

  // place brings the cards into the order and state of the other page. It returns what came and what went, by key.
  function place(fresh, isLive) {
    const news = { came: new Map(), went: new Set(), differs: new Map() };
    const have = new Map();
    for (const li of list.children) if (!li.classList.contains("leaving")) have.set(li.dataset.key, li);
    const wanted = new Set(Array.from(fresh.children, (li) => li.dataset.key));
    for (const [key, li] of have) if (!wanted.has(key)) { leave(li, isLive); news.went.add(key); }
    let cursor = staying(list.firstElementChild);
    for (const theirs of fresh.children) {
      const key = theirs.dataset.key;
      let li = have.get(key);
      if (!li) {
        li = document.importNode(theirs, true);
        if (isLive) li.classList.add("entering");
        news.came.set(key, li);
      } else if (li.innerHTML !== theirs.innerHTML || li.dataset.version !== theirs.dataset.version) {
        const isFocused = li.contains(document.activeElement), isCursor = li === cursor;
        const isNewer = li.dataset.version !== theirs.dataset.version;
        const replacement = document.importNode(theirs, true);
        if (isLive && isNewer) { replacement.classList.add("flash"); news.differs.set(key, replacement); }
        li.replaceWith(replacement);
        li = replacement;
        if (isCursor) cursor = li;
        if (isFocused) li.querySelector("a").focus({ preventScroll: true });
      }
      if (li === cursor) cursor = staying(cursor.nextElementSibling); else list.insertBefore(li, cursor);
    }
    return news;
  }

  function leave(li, isLive) {
    if (li.contains(document.activeElement)) {
      const next = staying(li.nextElementSibling);
      (next ? next.querySelector("a") : byId("count")).focus({ preventScroll: true });
    }
    if (!isLive || calm.matches) { li.remove(); return; }
    const height = li.offsetHeight + "px";
    li.classList.add("leaving");
    li.inert = true;
    const away = { height: "0px", paddingBlock: "0px", marginBottom: "-10px", opacity: 0, transform: "translateX(14px)" };
    li.animate([{ height, opacity: 1 }, away], { duration: 320, easing: "ease-in-out" }).finished.finally(() => li.remove());
  }

  // tell says aloud what changed of what is shown.
  function tell(news, changes) {
    const said = [];
    for (const [key, c] of changes) {
      const name = c.title + ", " + c.employer;
      if (news.came.has(key)) said.push("New: " + name + ".");
      else if (news.differs.has(key)) said.push("Changed: " + name + ".");
      else if (news.went.has(key) && !c.open) said.push("Closed: " + name + ".");
    }
    if (said.length) byId("news").textContent = said.slice(0, 3).join(" ") + (said.length > 3 ? " And more." : "");
  }

  // ---- a job's page

  function showJob(status, next) {
    const job = byId("job"), banner = byId("banner");
    if (!job) { // it was closed when the page was loaded; if it opened again, show it
      if (status === 200) { document.title = next.title; byId("content").replaceWith(document.importNode(next.getElementById("content"), true)); }
      return;
    }
    if (status === 410) {
      document.title = next.title;
      document.body.classList.add("closed");
      banner.textContent = "This job has just been closed. It no longer takes applications.";
      banner.hidden = false;
    } else if (status === 200) {
      document.title = next.title;
      document.body.classList.remove("closed");
      banner.hidden = true;
      if (next.body.dataset.version !== document.body.dataset.version) byId("news").textContent = "This job was changed by the employer.";
      document.body.dataset.version = next.body.dataset.version;
      exchange(next, "job");
    }
  }

  // ---- searching without a reload

  function enhance(form) {
    let typing;
    const address = () => {
      const query = new URLSearchParams();
      for (const [name, value] of new FormData(form)) if (value.trim()) query.append(name, value.trim());
      const text = query.toString();
      return text ? "/?" + text : "/";
    };
    const go = (isStep) => {
      clearTimeout(typing);
      const url = address();
      if (url === location.pathname + location.search) return;
      history[isStep ? "pushState" : "replaceState"](null, "", url);
      load(url, null);
    };
    form.addEventListener("submit", (e) => { e.preventDefault(); go(true); });
    form.addEventListener("change", (e) => { if (e.target.tagName === "SELECT") go(true); });
    form.addEventListener("input", (e) => {
      if (e.target.id !== "q") return;
      clearTimeout(typing);
      typing = setTimeout(() => go(false), 250);
    });
    addEventListener("popstate", () => {
      const query = new URLSearchParams(location.search);
      for (const field of form.elements) if (field.name) field.value = query.get(field.name) || "";
      load(location.href, null);
    });
  }

  if (list) enhance(byId("search"));
  connect();
})();
