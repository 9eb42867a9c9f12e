/** Navigation: which conversation, and which area over it, the page shows; both are in its address. */
import { pageHistory } from "./page_history.js";

export const EMPTY_DRAFT = { system_prompt: "", sampling: {}, model_id: null };

/**
 * Add `open`, `created`, `openView`, `closeView` and `openFromAddress` to `app`. They emit "open" and "conversation"
 * for another conversation, and "view" for another area.
 * @param {Object} app
 */
export function addNavigation(app) {
  let begun = false;

  function go(id, match) {
    begun = true;
    app.state.conversationId = id;
    app.state.conversation = null;
    app.emit("open", { id, match });
    app.emit("conversation", id);
  }

  function show(view) {
    if (view === app.state.view) return;
    app.state.view = view;
    app.emit("view", view);
  }

  app.open = (id, match) => {
    if (id !== idInAddress() || viewInAddress()) pageHistory.push(address(id));
    show(null);
    go(id, match);
  };

  app.openView = (view) => {
    if (view !== viewInAddress()) pageHistory.push(address(app.state.conversationId, view));
    show(view);
  };

  app.closeView = () => {
    if (viewInAddress()) pageHistory.push(address(app.state.conversationId));
    show(null);
  };

  // The first message created the conversation that the welcome screen was for.
  app.created = (conversation) => {
    app.state.conversationId = conversation.id;
    app.state.conversation = conversation;
    app.state.draft = { ...EMPTY_DRAFT };
    pageHistory.push(address(conversation.id));
    app.emit("created", conversation);
    app.emit("conversation", conversation.id);
    app.emit("conversation-updated", conversation);
  };

  // Back from an area over the conversation leaves the conversation as it is.
  app.openFromAddress = () => {
    const id = idInAddress();
    show(viewInAddress());
    if (!begun || id !== app.state.conversationId) go(id);
  };
  pageHistory.listen(app.openFromAddress);
}

/** @returns {string|null} the conversation that the page's address names */
export function idInAddress() {
  return new URLSearchParams(location.search).get("c");
}

/** @returns {string|null} the area that the page's address names */
function viewInAddress() {
  return new URLSearchParams(location.search).get("view");
}

function address(id, view = null) {
  const named = Object.entries({ c: id, view }).filter(([, value]) => value !== null);
  const query = named.map(([name, value]) => `${name}=${encodeURIComponent(value).replace("%2F", "/")}`).join("&");
  return query ? `${location.pathname}?${query}` : location.pathname;
}
