// Every case of the reference file by every layer that takes it on, each by itself.
import { accountantsUnder } from "../../accounting/accountants.js";
import { goldenSuite } from "../../accounting/goldenSuite.js";

goldenSuite("reference values, layer by layer", accountantsUnder);
