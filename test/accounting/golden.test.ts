// Every case of the reference file by the accountants that users get. The slow suite asks each layer by itself.
import { everyAccountant } from "../../src/accounting/accountants.js";
import { goldenSuite } from "./goldenSuite.js";

goldenSuite("reference values", everyAccountant);
