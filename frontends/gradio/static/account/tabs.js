/** The tabs of the account area, in order. */
import { accountTab } from "./account_tab.js";
import { activityTab } from "./activity_tab.js";
import { peopleTab } from "./people_tab.js";
import { hasLogin, isAdmin } from "./who.js";

const manages = (app) => hasLogin(app) && isAdmin(app);

/** @type {import("../page/area.js").Tab[]} */
export const ACCOUNT_TABS = [
  { name: "account", title: "account.tab_account", create: accountTab, offered: hasLogin },
  { name: "people", title: "account.tab_people", create: peopleTab, offered: manages },
  { name: "activity", title: "account.tab_activity", create: activityTab, offered: manages },
];
