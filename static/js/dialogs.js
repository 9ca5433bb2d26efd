// For pages whose only script is a dialog or two.

import { setUpDialogs } from "./run/dialogs.js";

setUpDialogs(document);
