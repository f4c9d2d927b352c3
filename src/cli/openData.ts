// --data: the option and how it is opened, the same for every verb that takes it.
import { DATA_FORMATS, type Dataset, DatasetError, openDataset } from "../trainer/index.js";
import { type Option, UsageError } from "./options.js";

export const DATA: Option = {
  name: "data",
  value: "NAME|PATH",
  help: `${DATA_FORMATS} (train/CLASS/…, test/CLASS/…; PATH@64 scales them to 64 x 64)`,
};

export async function openData(name: string): Promise<Dataset> {
  try {
    return await openDataset(name);
  } catch (error) {
    if (error instanceof DatasetError)
      throw new UsageError(`--data ${error.message.replace(/^data (?=must|folder|mnist|fashion)/, "")}`);
    throw error;
  }
}
