/*
 * The browser's own watchdog. A page that has lost its server looks exactly like a page on which nothing happens, so the
 * page itself counts the seconds since the server's last beat and says so. Dash tells it of beats through
 * window.dash_clientside.watchdog.beat; everything else it does alone.
 */
(function () {
  "use strict";

  var LOST_MS = 5000;          // beats come every second
  var RELOAD_MS = 45000;       // the websocket gives up after ten tries; a server that is back is then found by asking
  var ASK_MS = 5000;
  var root = document.documentElement;
  var last = null;             // performance.now() of the last beat
  var told = null;             // what the last beat said
  var lostAt = null;
  var asked = 0;

  function span(seconds) {
    var whole = Math.max(0, Math.round(seconds));
    if (whole < 60) { return whole + " s"; }
    if (whole < 3600) { return Math.floor(whole / 60) + " min"; }
    if (whole < 172800) { return Math.floor(whole / 3600) + " h " + Math.floor((whole % 3600) / 60) + " min"; }
    return Math.floor(whole / 86400) + " d";
  }

  function say(state, words) {
    if (root.dataset.link !== state) { root.dataset.link = state; }
    var banner = document.getElementById("link-words");
    if (banner && banner.textContent !== words) { banner.textContent = words; }
    document.querySelectorAll(".needs-live").forEach(function (button) {
      button.setAttribute("aria-disabled", state === "live" ? "false" : "true");
    });
  }

  function quiet() {
    // A plant on the wall clock is late by that clock; a plant that owns its time only by how long nothing was written.
    var since = told.quiet_s + (performance.now() - last) / 1000;
    if (!told.owns_time && told.time_ms !== null) { since = Math.max(since, (Date.now() - told.time_ms) / 1000); }
    return since;
  }

  function look() {
    var now = performance.now();
    if (last === null) {
      if (now > LOST_MS * 2) { lost(now); }
      return;
    }
    if (now - last > LOST_MS) { lost(now); return; }
    lostAt = null;
    if (told.fault) {
      say("fault", "The historian cannot be read: " + told.fault + ". What is shown is old.");
    } else if (told.time_ms === null) {
      say("stale", "Nothing has been recorded yet: no controller has run on this site.");
    } else if (quiet() > told.stale_s) {
      say("stale", "The controller has not reported for " + span(quiet()) + ". Values are those of " + told.shown + ".");
    } else {
      say("live", "");
    }
  }

  function lost(now) {
    if (lostAt === null) { lostAt = last === null ? 0 : last; }
    var words = "No connection to the server for " + span((now - lostAt) / 1000) + ".";
    say("disconnected", words + (told && told.shown ? " Values are those of " + told.shown + "." : "") + " Commands are locked.");
    if (now - lostAt > RELOAD_MS && now - asked > ASK_MS) {
      asked = now;
      fetch("/healthz", { cache: "no-store" }).then(function (answer) {
        if (answer.ok && performance.now() - (last === null ? 0 : last) > RELOAD_MS) { window.location.reload(); }
      }).catch(function () { asked = performance.now(); });
    }
  }

  // A command must not be given on a picture that is not live, whatever the component believes.
  ["click", "keydown", "submit"].forEach(function (kind) {
    document.addEventListener(kind, function (event) {
      var target = event.target.closest && event.target.closest(".needs-live");
      if (target && root.dataset.link !== "live") { event.stopImmediatePropagation(); event.preventDefault(); }
    }, true);
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.watchdog = {
    beat: function (beat) {
      if (beat) { last = performance.now(); told = beat; look(); }
      return window.dash_clientside.no_update;
    },
    theme: function (clicks) {
      if (clicks) { keep(root.dataset.theme === "dark" ? "light" : "dark"); }
      return [root.dataset.theme, root.dataset.theme === "dark" ? "Light" : "Dark"];
    }
  };

  function keep(theme) {
    root.dataset.theme = theme;
    try { window.localStorage.setItem("ems-theme", theme); } catch (refused) { /* private window: kept for this page only */ }
  }

  function kept() {
    try { return window.localStorage.getItem("ems-theme"); } catch (refused) { return null; }
  }

  root.dataset.theme = kept() || (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  root.dataset.link = "waiting";
  setInterval(look, 500);
}());
