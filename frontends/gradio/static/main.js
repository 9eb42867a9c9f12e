/** Starts the page: waits for Gradio's layout, fills its mount points, opens what the address says. */
import { Actions } from "./conversation/actions.js";
import { createApp } from "./page/app.js";
import { Chat } from "./conversation/conversation.js";
import { Composer } from "./composer/composer.js";
import { ConversationView } from "./conversation/conversation_view.js";
import { h, whenPresent } from "./page/dom.js";
import { connectDrawer } from "./settings/drawer.js";
import { mountPicker } from "./models/picker.js";
import { connectionBar, createToast, Doors, topBar } from "./page/frame.js";
import { mountSidebar } from "./sidebar/sidebar.js";
import { createTheme } from "./page/theme.js";
import { Welcome } from "./page/welcome.js";

async function start() {
  const app = createApp();
  app.setLanguage(app.state.language);
  const theme = createTheme(app);
  const known = loadBasics(app);
  const mountPoints = ["#parley-sidebar", "#parley-conversation", "#parley-drawer"];
  const [sidebar, main, drawer] = await Promise.all(mountPoints.map(whenPresent));

  app.toast = createToast();
  const doors = new Doors(app, { sidebar, drawer });
  const { chat, actions, composer } = fill(app, main, { theme, doors });
  mountSidebar(sidebar, app);
  mountPicker(composer.picker, app);
  document.body.prepend(skipLink(app, composer));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && chat.running) void actions.stop();
  });

  await known;
  app.openFromAddress();
  await connectDrawer(app, drawer, () => doors.set("drawer", false));
  document.documentElement.dataset.ready = "";
}

async function loadBasics(app) {
  const info = app.api.get("/api/info").catch(() => null);
  const models = app.refreshModels();
  app.state.info = await info;
  await models;
}

function fill(app, main, { theme, doors }) {
  const view = new ConversationView(app);
  const chat = new Chat(app, view);
  const actions = new Actions(app, chat, view);
  view.handlers = handlersOf(actions);
  const composer = new Composer(app, {
    send: (text) => actions.send(text),
    stop: () => void actions.stop(),
    settings: (button) => doors.toggle("drawer", button),
  });
  const welcome = new Welcome(app, {
    ask: (text) => void composer.submit(text),
    openPicker: () => composer.openPicker(),
  });
  const room = h("main.p-main", {}, topBar(app, { theme, doors }), connectionBar(app));
  room.append(welcome.hero, view.element, composer.element, welcome.below);

  app.on("screen", (mode) => (room.dataset.screen = mode));
  app.on("open", ({ id, messageId }) => {
    chat.open(id, messageId);
    composer.load();
    doors.leaveSidebar();
    if (!doors.narrow.matches) composer.focus();
  });
  main.append(room);
  return { chat, actions, composer };
}

/** The methods of `actions`, bound: what the buttons of a message call. */
function handlersOf(actions) {
  const names = ["copy", "edit", "regenerate", "continue", "version", "rate", "details", "speaker"];
  return Object.fromEntries(names.map((name) => [name, actions[name].bind(actions)]));
}

function skipLink(app, composer) {
  const link = h("a.p-skip", { href: "#parley-input" });
  link.addEventListener("click", (event) => {
    event.preventDefault();
    composer.focus();
  });
  const name = () => (link.textContent = app.t("app.skip"));
  app.on("language", name);
  name();
  return link;
}

void start();
