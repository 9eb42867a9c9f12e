/** Entry point: waits for Gradio's layout, mounts all parts of the page, opens the conversation in the address. */
import { claimBrowser } from "./account/belongings.js";
import { consentBar } from "./account/consent_bar.js";
import { ACCOUNT_TABS } from "./account/tabs.js";
import { hasLogin } from "./account/who.js";
import { CompareActions } from "./comparison/compare_actions.js";
import { CompareRow } from "./comparison/compare_row.js";
import { CompareSetup } from "./comparison/compare_setup.js";
import { Composer } from "./composer/composer.js";
import { Actions } from "./conversation/actions.js";
import { ConversationView } from "./conversation/conversation_view.js";
import { OpenConversation } from "./conversation/open_conversation.js";
import { replyMeant, verdictOf } from "./conversation/rating_keys.js";
import { FEEDBACK_TABS } from "./feedback/tabs.js";
import { mountPicker } from "./models/picker.js";
import { createApp } from "./page/app.js";
import { Area } from "./page/area.js";
import { connectionBar } from "./page/connection_bar.js";
import { h, whenPresent } from "./page/dom.js";
import { hideInputMethodKeys } from "./page/input_methods.js";
import { idInAddress } from "./page/navigation.js";
import { watchDay } from "./page/new_day.js";
import { Panels } from "./page/panels.js";
import { RepeatedClicks } from "./page/repeated_clicks.js";
import { createTheme } from "./page/theme.js";
import { topBar } from "./page/top_bar.js";
import { Welcome } from "./page/welcome.js";
import { mountSettings } from "./settings/settings_panel.js";
import { mountSidebar } from "./sidebar/sidebar.js";
import { createToast } from "./widgets/toast.js";

async function start() {
  hideInputMethodKeys();
  const app = createApp();
  const theme = createTheme(app);
  const modelsLoaded = app.refreshModels();
  void app.refreshJobs();
  const infoLoaded = loadInfo(app); // what is offered, and what was left here, depends on who it is
  const mountPoints = ["#parley-sidebar", "#parley-conversation", "#parley-settings"];
  const [sidebar, main, settings] = await Promise.all([...mountPoints.map(whenPresent), infoLoaded]);

  sidebar.closest("main")?.setAttribute("role", "presentation"); // Gradio's, around everything: ours is the main part
  const panels = new Panels(app, { sidebar, settings });
  const { conversation, actions, composer } = mountConversation(app, main, { theme, panels });
  app.toast = createToast(app, composer.element);
  mountSidebar(sidebar, app);
  mountPicker(composer.picker, app);
  mountSettings(settings, app, () => panels.set("settings", false));
  document.body.prepend(skipLink(app, composer));
  watchDay(() => app.emit("day"));
  const clicks = new RepeatedClicks();
  document.addEventListener("click", (event) => clicks.drop(event), true);
  document.addEventListener("keydown", () => clicks.forget(), true);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && conversation.running) void actions.stop();
  });

  await modelsLoaded;
  document.documentElement.dataset.ready = "";
  app.openFromAddress();
}

async function loadInfo(app) {
  app.state.info = await app.api.get("/api/info").catch(() => null);
  claimBrowser(app);
}

function mountConversation(app, main, { theme, panels }) {
  const view = new ConversationView(app);
  const conversation = new OpenConversation(app, view);
  const actions = new Actions(app, conversation, view);
  const setup = new CompareSetup(app);
  const compareRow = new CompareRow(app, setup);
  const comparing = new CompareActions(app, { conversation, actions, view, setup, row: compareRow });
  view.handlers = { ...handlersOf(actions), compare: (question, button) => comparing.offer(question, button) };
  document.addEventListener("keydown", (event) => rateByKey(event, view.column));
  const on = {
    send: (text) => (setup.isOn ? comparing.ask(text) : actions.send(text)),
    stop: () => void actions.stop(),
    settings: (button) => panels.toggle("settings", button),
  };
  const composer = new Composer(app, on, compareRow);
  comparing.focusComposer = () => panels.narrow.matches || composer.focus();
  const welcome = new Welcome(app, {
    ask: (text) => void composer.submit(text),
    openPicker: () => composer.openPicker(),
  });
  const dataset = { screen: idInAddress() === null ? "welcome" : "loading" }; // the composer begins where it stays
  const page = h("main.p-main", { dataset }, topBar(app, { theme, panels }), connectionBar(app), consentBar(app));
  page.append(welcome.hero, view.element, composer.element, welcome.below);

  app.on("screen", (mode) => (page.dataset.screen = mode));
  app.on("open", ({ id, match }) => {
    conversation.open(id, match);
    composer.load();
    panels.leaveSidebar();
    if (!panels.narrow.matches) composer.focus();
  });
  const feedback = new Area(app, page, { title: "feedback.title", tabs: FEEDBACK_TABS });
  main.append(page, feedback.element);
  if (hasLogin(app)) main.append(new Area(app, page, { title: "account.title", tabs: ACCOUNT_TABS }).element);
  app.on("view", (view) => view && panels.closeAll());
  return { conversation, actions, composer };
}

function rateByKey(event, column) {
  const verdict = verdictOf(event);
  const thumb = verdict && replyMeant(column, event.target)?.querySelector(`[data-act="${verdict}"]`);
  if (!thumb) return;
  event.preventDefault();
  thumb.click();
}

/** The methods of `actions` that a message's buttons call, bound. */
function handlersOf(actions) {
  const names = ["copy", "edit", "correct", "regenerate", "continue", "version", "rate", "details", "hold"];
  return Object.fromEntries(names.map((name) => [name, actions[name].bind(actions)]));
}

function skipLink(app, composer) {
  const link = h("a.p-skip", { href: "#parley-input" });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    composer.focus();
  });
  const label = () => (link.textContent = app.t("app.skip"));
  app.on("language", label);
  label();
  return link;
}

void start();
