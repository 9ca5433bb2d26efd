// The pages with a table of runs. Each part listens on the document, as the table is swapped while runs go on.
import { setUpDialogs } from "../run/dialogs.js";
import { setUpBulk } from "./bulk.js";
import { setUpColumns } from "./columns.js";
import { setUpCompletion } from "./complete.js";

setUpDialogs(document);
setUpCompletion();
setUpColumns();
setUpBulk();
